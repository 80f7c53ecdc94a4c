import React from 'react';
import { Combobox, InlineField, InlineSwitch, Stack } from '@grafana/ui';

import { Control, typeInfo } from '../queryTypes';
import { Dedupe, Sort, WeirQuery } from '../types';
import { RowProps } from './layout';
import { NamePicker } from './NamePicker';
import { TextField } from './TextField';

type Key = 'other' | 'ascending' | 'mirror' | 'resolve' | 'enrich' | 'partial' | 'strict' | 'debug';

const SWITCHES: Array<{ key: Key; label: string; tooltip: string }> = [
  { key: 'mirror', label: 'mirrored', tooltip: 'Received above the axis, sent below it' },
  { key: 'other', label: 'and the rest', tooltip: 'Adds the sum of what is below the top' },
  { key: 'ascending', label: 'lowest first', tooltip: 'The groups with the least instead of the most' },
  { key: 'resolve', label: 'reverse lookup', tooltip: 'Shows the names of addresses, where the DNS has one' },
  { key: 'enrich', label: 'country and network', tooltip: 'Asks the servers where addresses belong' },
  { key: 'partial', label: 'show partial', tooltip: 'Shows what is there while hosts are still answering' },
  { key: 'strict', label: 'strict', tooltip: 'A host that does not answer is an error, not a notice: for alert rules' },
  { key: 'debug', label: 'debug', tooltip: 'Adds a table of what each host did: time, rows, bytes, state' },
];

const SORTS: Array<{ label: string; value: Sort }> = [
  { label: 'the value shown', value: '' },
  { label: 'bytes', value: 'bytes' },
  { label: 'packets', value: 'packets' },
  { label: 'time', value: 'time' },
];
const DEDUPES: Array<{ label: string; value: Dedupe; description?: string }> = [
  { label: 'as the servers do', value: '' },
  { label: 'sum', value: 'sum', description: 'each host counts' },
  { label: 'largest', value: 'max', description: 'a flow that several hosts saw counts once' },
];

const DURATION = /^(\$\w+|\$\{[^}]+\}|\d+(\.\d+)?(s|m|h|d|w))?$/;

interface Props extends RowProps {
  /** Names to offer. */
  servers: string[];
}

/** What is rarely needed. */
export function OptionsRow({ query, servers, onChange }: Props) {
  const has = (control: Control) => typeInfo(query).options.includes(control);
  const id = (name: string) => `weir-${query.refId}-${name}`;
  return (
    <Stack direction="row" wrap="wrap" gap={0.5}>
      {SWITCHES.filter(({ key }) => has(key)).map(({ key, label, tooltip }) => (
        <InlineField key={key} label={label} tooltip={tooltip}>
          <InlineSwitch
            id={id(key)}
            value={query[key] === true}
            onChange={(event) => onChange({ [key]: event.currentTarget.checked } as Partial<WeirQuery>)}
          />
        </InlineField>
      ))}
      {has('compare') && (
        <Duration query={query} name="compare" label="compared to" placeholder="1d, 1w earlier" onChange={onChange} />
      )}
      {has('resolution') && (
        <Duration query={query} name="resolution" label="bins of" placeholder="auto" onChange={onChange} />
      )}
      {has('sort') && (
        <InlineField label="chosen by" tooltip="What the top is chosen by">
          <Combobox
            id={id('sort')}
            width={18}
            options={SORTS}
            value={query.sort}
            onChange={({ value }) => onChange({ sort: value })}
          />
        </InlineField>
      )}
      {has('dedupe') && (
        <InlineField
          label="same flow at several hosts"
          tooltip="How equal rows of different hosts are joined where the host is not grouped by"
        >
          <Combobox
            id={id('dedupe')}
            width={20}
            options={DEDUPES}
            value={query.dedupe}
            onChange={({ value }) => onChange({ dedupe: value })}
          />
        </InlineField>
      )}
      {has('frame') && (
        <InlineField label="tables" tooltip="Which of the answer's tables this panel shows">
          <Combobox
            id={id('frame')}
            width={16}
            options={['', ...typeInfo(query).frames, 'debug'].map((value) => ({ label: value || 'all', value }))}
            value={query.frame}
            onChange={({ value }) => onChange({ frame: value })}
          />
        </InlineField>
      )}
      {has('servers') && (
        <InlineField label="servers" tooltip="Those of this data source; others are not asked">
          <NamePicker
            id={id('servers')}
            width={30}
            placeholder="all of them"
            value={query.servers}
            choices={servers.map((name) => ({ name }))}
            isClearable
            onChange={(servers) => onChange({ servers })}
          />
        </InlineField>
      )}
    </Stack>
  );
}

interface DurationProps extends RowProps {
  name: 'compare' | 'resolution';
  label: string;
  placeholder: string;
}

function Duration({ query, name, label, placeholder, onChange }: DurationProps) {
  return (
    <InlineField label={label} tooltip="A duration: 5m, 1h, 1d, 1w">
      <TextField
        id={`weir-${query.refId}-${name}`}
        width={14}
        value={query[name]}
        placeholder={placeholder}
        accept={(text) => (DURATION.test(text.trim()) ? text.trim() : undefined)}
        onCommit={(text) => onChange({ [name]: text } as Partial<WeirQuery>)}
      />
    </InlineField>
  );
}
