import React, { useState } from 'react';
import { Input } from '@grafana/ui';

interface Props {
  id: string;
  value: number;
  onCommit: (value: number) => void;
}

/** A whole number above zero; anything else falls back to the last good one. */
export function CountInput({ id, value, onCommit }: Props) {
  const [draft, setDraft] = useState<string>();
  const commit = () => {
    const count = Number(draft);
    setDraft(undefined);
    if (Number.isSafeInteger(count) && count > 0 && count !== value) {
      onCommit(count);
    }
  };
  return (
    <Input
      id={id}
      type="number"
      min={1}
      width={10}
      value={draft ?? value}
      onChange={(event) => setDraft(event.currentTarget.value)}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
      onBlur={commit}
    />
  );
}
