import React from 'react';
import { Field, Input, Switch } from '@grafana/ui';

import { changeOptions } from './options';
import { ConfigProps } from './secrets';

/** Whether addresses may be looked up, and where. */
export function LookupSettings(props: ConfigProps) {
  const { jsonData, readOnly } = props.options;
  return (
    <>
      <Field
        label="Reverse lookup"
        description="Queries may show the names of addresses. Grafana's machine asks the DNS for the addresses on screen."
      >
        <Switch
          id="weir-config-lookup"
          value={jsonData.lookup ?? false}
          disabled={readOnly}
          onChange={(event) => changeOptions(props, { lookup: event.currentTarget.checked })}
        />
      </Field>
      {jsonData.lookup && (
        <Field label="Name server" description="Address and port of the server to ask; empty for the machine's own.">
          <Input
            id="weir-config-lookup-server"
            width={40}
            placeholder="192.0.2.53:53"
            value={jsonData.lookupServer ?? ''}
            disabled={readOnly}
            onChange={(event) => changeOptions(props, { lookupServer: event.currentTarget.value.trim() || undefined })}
          />
        </Field>
      )}
    </>
  );
}
