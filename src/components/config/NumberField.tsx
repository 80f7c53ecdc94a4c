import React from 'react';
import { Field, Input } from '@grafana/ui';

interface Props {
  id: string;
  label: string;
  description: string;
  placeholder: string;
  value: number | undefined;
  disabled?: boolean;
  onChange: (value: number | undefined) => void;
}

/** A number above zero, or none: then the placeholder says what applies. */
export function NumberField({ label, description, value, onChange, ...shared }: Props) {
  return (
    <Field label={label} description={description}>
      <Input
        {...shared}
        type="number"
        min={1}
        width={12}
        value={value ?? ''}
        onChange={(event) => {
          const number = Number(event.currentTarget.value);
          onChange(number > 0 ? number : undefined);
        }}
      />
    </Field>
  );
}
