import React from 'react';

import { TextField } from './TextField';

interface Props {
  id: string;
  value: number | string;
  onCommit: (value: number | string) => void;
}

/** A whole number above zero, or a dashboard variable; anything else falls back to the last good one. */
export function CountInput({ id, value, onCommit }: Props) {
  const commit = (text: string) => onCommit(isVariable(text) ? text : Number(text));
  return <TextField id={id} width={10} value={String(value)} accept={count} onCommit={commit} />;
}

function count(text: string): string | undefined {
  const number = Number(text);
  const good = isVariable(text.trim()) || (Number.isSafeInteger(number) && number > 0);
  return good ? text.trim() : undefined;
}

function isVariable(text: string): boolean {
  return /^\$(\w+|\{[^}]+\})$/.test(text);
}
