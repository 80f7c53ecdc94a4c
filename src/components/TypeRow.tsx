import React from 'react';
import { Combobox, InlineField, Stack } from '@grafana/ui';

import { changeQueryType } from '../query';
import { hasControl, PANEL_TYPES, QUERY_TYPES } from '../queryTypes';
import { WeirQuery } from '../types';
import { ActorsField } from './ActorsField';
import { HostPicker } from './HostPicker';
import { InterfacePicker } from './InterfacePicker';
import { LABEL_WIDTH, Offer, RowProps } from './layout';
import { TextField } from './TextField';

const TYPES = PANEL_TYPES.map((value) => ({
  value,
  label: QUERY_TYPES[value].label,
  description: QUERY_TYPES[value].description,
}));

const END = 'address, network, list or host name';

/** Show what on which hosts and interfaces. */
export function TypeRow({ query, catalog, variables, onChange }: RowProps & Offer) {
  const id = (name: string) => `weir-${query.refId}-${name}`;
  const interfaces = [...(catalog?.interfaces ?? []).map(({ name }) => name), ...variables];
  return (
    <Stack direction="row" wrap="wrap" gap={0.5}>
      {PANEL_TYPES.includes(query.queryType) && (
        <InlineField label="Show" labelWidth={LABEL_WIDTH}>
          <Combobox
            id={id('type')}
            width={18}
            options={TYPES}
            value={query.queryType}
            onChange={({ value }) => onChange(changeQueryType(query, value))}
          />
        </InlineField>
      )}
      {hasControl(query, 'a') && <Ends query={query} onChange={onChange} />}
      {hasControl(query, 'actors') && <ActorsField query={query} lists={catalog?.lists ?? []} onChange={onChange} />}
      <InlineField label="on hosts" tooltip="Names, globs (fra-*), groups (@edge) and labels (company=acme)">
        <HostPicker
          id={id('hosts')}
          value={query.hosts}
          known={catalog?.hosts ?? []}
          variables={variables}
          onChange={(hosts) => onChange({ hosts })}
        />
      </InlineField>
      {hasControl(query, 'interfaces') && (
        <InlineField label="interfaces" tooltip="Names, any, !name to leave one out, or a /regular expression/">
          <InterfacePicker
            id={id('interfaces')}
            value={query.interfaces}
            known={interfaces}
            onChange={(interfaces) => onChange({ interfaces })}
          />
        </InlineField>
      )}
    </Stack>
  );
}

function Ends({ query, onChange }: RowProps) {
  const end = (key: 'a' | 'b', label: string) => (
    <InlineField label={label} tooltip={`Address, network, several of them, @list or host name`}>
      <TextField
        id={`weir-${query.refId}-${key}`}
        width={26}
        value={query[key]}
        placeholder={END}
        invalid={query[key] === ''}
        onCommit={(text) => onChange({ [key]: text } as Partial<WeirQuery>)}
      />
    </InlineField>
  );
  return (
    <>
      {end('a', 'from')}
      {end('b', 'to')}
    </>
  );
}
