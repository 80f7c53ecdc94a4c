import React from 'react';
import { Field, FieldSet, Input, SecretInput } from '@grafana/ui';

import { WeirOptions } from '../types';
import { ConfigProps, secretProps } from './secrets';
import { ServerList } from './ServerList';
import { TlsSettings } from './TlsSettings';

/** The settings of a data source: which servers, and how to be let in. */
export function ConfigEditor(props: ConfigProps) {
  const { options, onOptionsChange } = props;
  const { jsonData, readOnly = false } = options;
  const change = (changes: Partial<WeirOptions>) =>
    onOptionsChange({ ...options, jsonData: { ...jsonData, ...changes } });
  const changeTimeout = (text: string) => {
    const seconds = Number(text);
    change({ timeoutSeconds: seconds > 0 ? seconds : undefined });
  };
  return (
    <>
      <FieldSet label="Servers">
        <ServerList servers={jsonData.servers ?? []} disabled={readOnly} onChange={(servers) => change({ servers })} />
      </FieldSet>
      <FieldSet label="Access">
        <Field label="Token" description="The bearer token of a probe's query role. The same for all servers.">
          <SecretInput id="weir-config-token" width={40} {...secretProps(props, 'token')} />
        </Field>
        <Field label="Timeout" description="Seconds to wait for a server. The others' answers are shown without it.">
          <Input
            id="weir-config-timeout"
            type="number"
            min={1}
            width={12}
            placeholder="20"
            value={jsonData.timeoutSeconds ?? ''}
            disabled={readOnly}
            onChange={(event) => changeTimeout(event.currentTarget.value)}
          />
        </Field>
      </FieldSet>
      <FieldSet label="TLS">
        <TlsSettings {...props} />
      </FieldSet>
    </>
  );
}
