import React from 'react';

import { ANY, joinInterfaces, splitInterfaces } from '../interfaces';
import { NamePicker } from './NamePicker';

interface Props {
  id: string;
  /** "any", "eth0,eth1", "any,!lo" or "/regex/". */
  value: string;
  /** Names to offer; others can be typed. */
  known: string[];
  onChange: (value: string) => void;
}

/** Chooses interfaces by name, exclusion or regular expression. */
export function InterfacePicker({ id, value, known, onChange }: Props) {
  const parts = splitInterfaces(value);
  return (
    <NamePicker
      id={id}
      width={30}
      value={parts}
      choices={[ANY, ...known].map((name) => ({ name }))}
      freeText="name, !name or /regular expression/"
      onChange={(chosen) => onChange(joinInterfaces(parts, chosen))}
    />
  );
}
