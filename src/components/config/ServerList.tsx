import React from 'react';
import { Button, FieldValidationMessage, IconButton, Input, Stack } from '@grafana/ui';

import { serverFault } from '../../servers';
import { Server } from '../../types';

interface Props {
  servers: Server[];
  disabled: boolean;
  onChange: (servers: Server[]) => void;
}

const BLANK: Server = { name: '', url: '' };

/** The servers to query, a name and a URL each. */
export function ServerList({ servers, disabled, onChange }: Props) {
  const rows = servers.length > 0 ? servers : [BLANK];
  const replace = (index: number, row: Server) => onChange(rows.map((old, at) => (at === index ? row : old)));
  return (
    <Stack direction="column" gap={1}>
      {rows.map((row, index) => (
        <ServerRow
          key={index}
          number={index + 1}
          server={row}
          fault={serverFault(row, rows)}
          disabled={disabled}
          onChange={(changed) => replace(index, changed)}
          onRemove={servers.length > 0 ? () => onChange(servers.filter((_, at) => at !== index)) : undefined}
        />
      ))}
      <div>
        <Button variant="secondary" icon="plus" disabled={disabled} onClick={() => onChange([...rows, BLANK])}>
          Add server
        </Button>
      </div>
    </Stack>
  );
}

interface RowProps {
  number: number;
  server: Server;
  fault?: string;
  disabled: boolean;
  onChange: (server: Server) => void;
  onRemove?: () => void;
}

function ServerRow({ number, server, fault, disabled, onChange, onRemove }: RowProps) {
  return (
    <div>
      <Stack direction="row" gap={1} alignItems="center">
        <Input
          id={`weir-config-server-${number}-name`}
          aria-label={`Name of server ${number}`}
          placeholder="name"
          width={24}
          value={server.name}
          invalid={fault !== undefined}
          disabled={disabled}
          onChange={(event) => onChange({ ...server, name: event.currentTarget.value })}
        />
        <Input
          id={`weir-config-server-${number}-url`}
          aria-label={`URL of server ${number}`}
          placeholder="https://host:8145"
          width={48}
          value={server.url}
          invalid={fault !== undefined}
          disabled={disabled}
          onChange={(event) => onChange({ ...server, url: event.currentTarget.value.trim() })}
        />
        {onRemove && (
          <IconButton name="trash-alt" tooltip={`Remove server ${number}`} disabled={disabled} onClick={onRemove} />
        )}
      </Stack>
      {fault && <FieldValidationMessage>{fault}</FieldValidationMessage>}
    </div>
  );
}
