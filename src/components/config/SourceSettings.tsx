import React from 'react';
import { Field, Input, RadioButtonGroup } from '@grafana/ui';

import { changeSource, kindOf } from '../../sourceKind';
import { SourceKind, WeirOptions } from '../../types';
import { NatsSettings } from './NatsSettings';
import { changeOptions } from './options';
import { ConfigProps } from './secrets';
import { ServerList } from './ServerList';

const KINDS: Array<{ value: SourceKind; label: string; description: string }> = [
  { value: 'servers', label: 'Servers', description: 'probes and gateways by their addresses' },
  { value: 'gateway', label: 'Gateway', description: 'one that knows its hosts' },
  { value: 'discovery', label: 'HTTP discovery', description: 'a URL that lists the probes, as for Prometheus' },
  { value: 'nats', label: 'NATS', description: 'probes that announce themselves on a message bus' },
];

/** Where the data come from. An address that can only be of another kind chooses that kind. */
export function SourceSettings(props: ConfigProps) {
  const { jsonData, readOnly = false } = props.options;
  const kind = kindOf(jsonData);
  const change = (changes: Partial<WeirOptions>) => changeOptions(props, changeSource(jsonData, changes));
  return (
    <>
      <Field label="Kind">
        <RadioButtonGroup
          id="weir-config-kind"
          aria-label="Kind"
          options={KINDS}
          value={kind}
          disabled={readOnly}
          onChange={(kind) => changeOptions(props, { kind })}
        />
      </Field>
      {kind === 'servers' && (
        <ServerList servers={jsonData.servers ?? []} disabled={readOnly} onChange={(servers) => change({ servers })} />
      )}
      {kind === 'gateway' && (
        <Field label="Gateway" description="Its address; it names the hosts and answers for them.">
          <Input
            id="weir-config-gateway"
            width={60}
            placeholder="https://gateway.example:8145"
            value={jsonData.servers?.[0]?.url ?? ''}
            disabled={readOnly}
            onChange={(event) => change({ servers: [{ name: 'gateway', url: event.currentTarget.value.trim() }] })}
          />
        </Field>
      )}
      {kind === 'discovery' && (
        <Field
          label="Discovery URL"
          description="Answers with target groups in JSON, as Prometheus' http_sd wants them."
        >
          <Input
            id="weir-config-discovery"
            width={60}
            placeholder="https://inventory.example/weir/targets"
            value={jsonData.discoveryUrl ?? ''}
            disabled={readOnly}
            onChange={(event) => change({ discoveryUrl: event.currentTarget.value.trim() || undefined })}
          />
        </Field>
      )}
      {kind === 'nats' && <NatsSettings {...props} />}
    </>
  );
}
