import React from 'react';
import { Input } from '@grafana/ui';

import { useDraft } from '../hooks/useDraft';

interface Props {
  id: string;
  value: string;
  width: number;
  placeholder?: string;
  invalid?: boolean;
  /** What is to be made of the text; a text it refuses with undefined falls back to the last good one. */
  accept?: (text: string) => string | undefined;
  onCommit: (value: string) => void;
}

/** A text that counts when Enter is pressed or the field is left. */
export function TextField({ id, value, width, placeholder, invalid, accept = trim, onCommit }: Props) {
  const [draft, setDraft] = useDraft(value);
  const commit = () => {
    const text = accept(draft);
    setDraft(text ?? value);
    if (text !== undefined && text !== value) {
      onCommit(text);
    }
  };
  return (
    <Input
      id={id}
      width={width}
      value={draft}
      placeholder={placeholder}
      invalid={invalid}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => setDraft(event.currentTarget.value)}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
      onBlur={commit}
    />
  );
}

function trim(text: string): string {
  return text.trim();
}
