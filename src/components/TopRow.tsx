import React from 'react';
import { InlineField, RadioButtonGroup, Stack } from '@grafana/ui';

import { hasControl, typeInfo } from '../queryTypes';
import { Direction, Unit, Value } from '../types';
import { CountInput } from './CountInput';
import { LABEL_WIDTH, RowProps } from './layout';

interface Choice<T> {
  label: string;
  value: T;
  description?: string;
}

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
  { label: 'Average', value: 'average', description: 'bits or packets per second, over the whole range' },
  { label: 'Total', value: 'total', description: 'the sum: of the range, or of each time bin' },
];

/** The top how many by what, as a rate or a sum. */
export function TopRow({ query, onChange }: RowProps) {
  const units = UNITS.filter(({ value }) => typeInfo(query).units.includes(value));
  return (
    <Stack direction="row" wrap="wrap" gap={0.5}>
      <InlineField
        label={query.ascending ? 'Lowest' : 'Top'}
        labelWidth={LABEL_WIDTH}
        tooltip="How many rows or series; a dashboard variable ($top) may stand here"
      >
        <CountInput id={`weir-${query.refId}-limit`} value={query.limit} onCommit={(limit) => onChange({ limit })} />
      </InlineField>
      {hasControl(query, 'value') && (
        <InlineField label="by">
          <RadioButtonGroup
            aria-label="Value"
            options={VALUES}
            value={query.value}
            onChange={(value) => onChange({ value })}
          />
        </InlineField>
      )}
      {hasControl(query, 'direction') && (
        <InlineField label="direction">
          <RadioButtonGroup
            aria-label="Direction"
            options={DIRECTIONS}
            value={query.direction}
            onChange={(direction) => onChange({ direction })}
          />
        </InlineField>
      )}
      {units.length > 1 && (
        <InlineField label="as">
          <RadioButtonGroup
            aria-label="Unit"
            options={units}
            value={query.unit}
            onChange={(unit) => onChange({ unit })}
          />
        </InlineField>
      )}
    </Stack>
  );
}
