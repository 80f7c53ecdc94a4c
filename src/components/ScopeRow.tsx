import React from 'react';
import { InlineField, Stack } from '@grafana/ui';

import { InterfacePicker } from './InterfacePicker';
import { LABEL_WIDTH, RowProps } from './layout';
import { NamePicker } from './NamePicker';

interface Props extends RowProps {
  /** Names to offer. */
  servers: string[];
  interfaces: string[];
}

/** On which servers and interfaces. */
export function ScopeRow({ query, servers, interfaces, onChange }: Props) {
  return (
    <Stack direction="row" wrap="wrap" gap={0.5}>
      <InlineField label="On servers" labelWidth={LABEL_WIDTH} tooltip="Those of this data source">
        <NamePicker
          id={`weir-${query.refId}-servers`}
          width={36}
          placeholder="all of them"
          value={query.servers}
          choices={servers.map((name) => ({ name }))}
          isClearable
          onChange={(servers) => onChange({ servers })}
        />
      </InlineField>
      <InlineField label="interfaces" tooltip="Names, any, !name to leave one out, or a /regular expression/">
        <InterfacePicker
          id={`weir-${query.refId}-interfaces`}
          value={query.interfaces}
          known={interfaces}
          onChange={(interfaces) => onChange({ interfaces })}
        />
      </InlineField>
    </Stack>
  );
}
