import { MetricFindValue } from '@grafana/data';

import { conditionAttribute } from './attributes';
import { Catalog } from './types';

/** What dashboard filters can be on: every attribute that a condition can compare, by the name of its column. */
export function filterKeys({ fields, hosts = [] }: Catalog): MetricFindValue[] {
  const attributes = fields
    .filter(({ name, kind }) => kind !== 'counter' && conditionAttribute(name) !== undefined)
    .map(({ name, title }) => ({ text: title, value: name }));
  const labels = new Set(hosts.flatMap((host) => Object.keys(host.labels ?? {})));
  return [
    ...attributes,
    { text: 'Source or destination IP', value: 'address' },
    ...[...labels].sort().map((label) => ({ text: `Label ${label}`, value: `label.${label}` })),
  ];
}
