import React from 'react';
import { InlineField, InlineSwitch, Stack } from '@grafana/ui';

import { isIncomplete } from '../query';
import { Catalog, CatalogField } from '../types';
import { AttributePicker } from './AttributePicker';
import { CountInput } from './CountInput';
import { LABEL_WIDTH, RowProps } from './layout';

interface Props extends RowProps {
  catalog?: Catalog;
  loading: boolean;
  /** Dashboard variables, to stand for attributes. */
  variables: string[];
}

/** Grouped by what, and how many groups. */
export function GroupRow({ query, catalog, loading, variables, onChange }: Props) {
  const isSeries = query.queryType === 'timeseries';
  const incomplete = isIncomplete(query);
  // A graph has its own time axis.
  const canGroup = (field: CatalogField) => field.query && !(isSeries && field.type === 'time');
  return (
    <Stack direction="row" wrap="wrap" gap={0.5}>
      <InlineField
        label="Grouped by"
        labelWidth={LABEL_WIDTH}
        loading={loading}
        invalid={incomplete}
        error="A table needs at least one attribute."
      >
        <AttributePicker
          id={`weir-${query.refId}-attributes`}
          value={query.attributes}
          fields={(catalog?.fields ?? []).filter(canGroup)}
          shorthands={catalog?.shorthands ?? []}
          variables={variables}
          invalid={incomplete}
          onChange={(attributes) => onChange({ attributes })}
        />
      </InlineField>
      <InlineField label="top" tooltip={isSeries ? 'Number of series' : 'Number of rows'}>
        <CountInput id={`weir-${query.refId}-limit`} value={query.limit} onCommit={(limit) => onChange({ limit })} />
      </InlineField>
      <InlineField label="and the rest" tooltip="Adds the sum of what is below the top">
        <InlineSwitch
          id={`weir-${query.refId}-other`}
          value={query.other}
          onChange={(event) => onChange({ other: event.currentTarget.checked })}
        />
      </InlineField>
    </Stack>
  );
}
