import React from 'react';
import { InlineField } from '@grafana/ui';

import { presetsOf } from '../presets';
import { lacks } from '../query';
import { CatalogField } from '../types';
import { AttributePicker } from './AttributePicker';
import { LABEL_WIDTH, Offer, RowProps } from './layout';

/** Grouped by what. */
export function GroupRow({ query, catalog, loading, variables, onChange }: RowProps & Offer) {
  const missing = query.queryType === 'path' || query.queryType === 'actors' ? undefined : lacks(query);
  // A graph has its own time axis, a node graph none.
  const timeless = query.queryType !== 'table';
  const canGroup = (field: CatalogField) => field.query && !(timeless && field.type === 'time');
  const fields = (catalog?.fields ?? []).filter(canGroup);
  const labels = new Set((catalog?.hosts ?? []).flatMap((host) => Object.keys(host.labels ?? {})));
  return (
    <InlineField
      label="Grouped by"
      labelWidth={LABEL_WIDTH}
      loading={loading}
      invalid={missing !== undefined}
      error={missing}
    >
      <AttributePicker
        id={`weir-${query.refId}-attributes`}
        value={query.attributes}
        fields={fields}
        presets={presetsOf(fields, catalog?.shorthands ?? [])}
        others={[
          ...[...labels].sort().map((label) => ({ name: `label.${label}`, description: 'label of the host' })),
          ...variables.map((name) => ({ name, description: 'dashboard variable' })),
        ]}
        placeholder={query.queryType === 'timeseries' ? 'nothing: the total' : 'choose at least one'}
        invalid={missing !== undefined}
        onChange={(attributes) => onChange({ attributes })}
      />
    </InlineField>
  );
}
