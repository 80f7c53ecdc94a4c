import React from 'react';

import { hostChoices } from '../hostChoices';
import { joinHosts, splitHosts } from '../selection';
import { CatalogHost } from '../types';
import { NamePicker } from './NamePicker';

interface Props {
  id: string;
  /** "fra-*,company=acme"; empty for all hosts. */
  value: string;
  known: CatalogHost[];
  /** Dashboard variables, to stand for hosts or values of labels. */
  variables: string[];
  onChange: (value: string) => void;
}

/** Chooses hosts by name, glob, group or label. */
export function HostPicker({ id, value, known, variables, onChange }: Props) {
  return (
    <NamePicker
      id={id}
      width={36}
      value={splitHosts(value)}
      choices={hostChoices(known, variables)}
      freeText="name, glob*, @group, label=value or label!=value"
      placeholder="all"
      isClearable
      onChange={(chosen) => onChange(joinHosts(chosen))}
    />
  );
}
