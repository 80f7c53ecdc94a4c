import React from 'react';
import { InlineField, RadioButtonGroup, Stack } from '@grafana/ui';

import { changeQueryType } from '../query';
import { Direction, QueryType, Unit, Value } from '../types';
import { LABEL_WIDTH, RowProps } from './layout';

interface Choice<T> {
  label: string;
  value: T;
  description?: string;
}

const TYPES: Array<Choice<QueryType>> = [
  { label: 'Table', value: 'table' },
  { label: 'Time series', value: 'timeseries' },
];
const VALUES: Array<Choice<Value>> = [
  { label: 'Bytes', value: 'bytes' },
  { label: 'Packets', value: 'packets' },
];
const DIRECTIONS: Array<Choice<Direction>> = [
  { label: 'Both', value: 'both', description: 'received and sent' },
  { label: 'In', value: 'in', description: 'received by the interface' },
  { label: 'Out', value: 'out', description: 'sent by the interface' },
];
const UNITS: Array<Choice<Unit>> = [
  { label: 'Rate', value: 'rate', description: 'bits or packets per second' },
  { label: 'Total', value: 'total', description: 'sum of each time bin' },
];

/** Show a table or a graph of what. */
export function SubjectRow({ query, onChange }: RowProps) {
  return (
    <Stack direction="row" wrap="wrap" gap={0.5}>
      <InlineField label="Show" labelWidth={LABEL_WIDTH}>
        <RadioButtonGroup
          aria-label="Show"
          options={TYPES}
          value={query.queryType}
          onChange={(queryType) => onChange(changeQueryType(query, queryType))}
        />
      </InlineField>
      <InlineField label="of">
        <RadioButtonGroup
          aria-label="Value"
          options={VALUES}
          value={query.value}
          onChange={(value) => onChange({ value })}
        />
      </InlineField>
      <InlineField label="direction">
        <RadioButtonGroup
          aria-label="Direction"
          options={DIRECTIONS}
          value={query.direction}
          onChange={(direction) => onChange({ direction })}
        />
      </InlineField>
      {query.queryType === 'timeseries' && (
        <InlineField label="as">
          <RadioButtonGroup
            aria-label="Unit"
            options={UNITS}
            value={query.unit}
            onChange={(unit) => onChange({ unit })}
          />
        </InlineField>
      )}
    </Stack>
  );
}
