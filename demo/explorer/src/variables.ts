import { lastValueFrom } from 'rxjs';
import { CoreApp, DataFrame, DataQueryRequest, TimeRange } from '@grafana/data';

import { Query, Source, variableSupport } from './plugin';

/** A dashboard variable, as the explorer has a few. */
export interface Variable {
  name: string;
  query: Query & { hosts?: string };
  options: string[];
  /** What is chosen; nothing is all of them. */
  chosen: string[];
}

const variable = (name: string, query: object): Variable => ({
  name,
  query: { refId: `variable-${name}`, version: 2, queryType: 'variable', ...query } as Query,
  options: [],
  chosen: [],
});

/** Company, then the customers of it, then their hosts, then the interfaces of those. */
export const VARIABLES: Variable[] = [
  variable('company', { variable: 'labelValues', label: 'company' }),
  variable('customer', { variable: 'labelValues', label: 'customer', hosts: 'company=$company' }),
  variable('host', { variable: 'hosts', hosts: 'company=$company,customer=$customer' }),
  variable('iface', { variable: 'interfaces', hosts: '$host' }),
];

// What Grafana's template service knows; it is one for the whole page, there as here.
let current: Variable[] = VARIABLES;

export function publish(variables: Variable[]) {
  current = variables;
}

export function published(): Variable[] {
  return current;
}

/** Whether a variable's query names another one, as Grafana finds out: by its text. */
export function dependsOn(variable: Variable, name: string): boolean {
  return new RegExp(`\\$${name}\\b|\\$\\{${name}\\b`).test(JSON.stringify(variable.query));
}

/** Asks what a variable lists; it may name those before it. */
export async function loadOptions(source: Source, { query }: Variable, range: TimeRange): Promise<string[]> {
  const request = {
    targets: [query],
    range,
    scopedVars: {},
    intervalMs: 0,
    maxDataPoints: 100,
    app: CoreApp.Dashboard,
  };
  const answer = await lastValueFrom(variableSupport(source).query(request as unknown as DataQueryRequest<Query>));
  const [error] = answer.errors ?? [];
  if (error) {
    throw new Error(error.message);
  }
  const [frame] = answer.data as DataFrame[];
  const field = frame?.fields.find(({ name }) => name === 'value') ?? frame?.fields[0];
  return [...(field?.values ?? [])].map(String);
}

type Format = string | ((value: string | string[]) => string);

const REFERENCE = /\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]/g;

/** Grafana's replacement of variables, as far as the explorer needs it. */
export function replaceVariables(text = '', _scoped?: unknown, format?: Format): string {
  return text.replace(REFERENCE, (reference, plain, braced, bracedFormat, bracketed, bracketedFormat) => {
    const found = current.find(({ name }) => name === (plain ?? braced ?? bracketed));
    if (!found) {
      return reference;
    }
    const values = found.chosen.length > 0 ? found.chosen : found.options;
    const own = bracedFormat ?? bracketedFormat;
    return own === undefined && typeof format === 'function' ? format(values) : values.join(own === 'pipe' ? '|' : ',');
  });
}
