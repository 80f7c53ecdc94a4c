import React from 'react';
import { Field, Input, SecretInput, SecretTextArea } from '@grafana/ui';

import { WeirOptions } from '../../types';
import { changeOptions } from './options';
import { ConfigProps, secretProps } from './secrets';

/** The message bus on which probes announce themselves and answer. */
export function NatsSettings(props: ConfigProps) {
  const { jsonData, readOnly } = props.options;
  const textProps = (key: 'natsUrl' | 'natsSite') => ({
    value: jsonData[key] ?? '',
    disabled: readOnly,
    onChange: (event: { currentTarget: HTMLInputElement }) =>
      changeOptions(props, { [key]: event.currentTarget.value.trim() || undefined } as Partial<WeirOptions>),
  });
  return (
    <>
      <Field label="NATS URL" description="One address, or several with commas between them.">
        <Input id="weir-config-nats-url" width={60} placeholder="tls://bus.example:4222" {...textProps('natsUrl')} />
      </Field>
      <Field label="Site" description="Only probes of this site are asked; empty for those of all sites.">
        <Input id="weir-config-nats-site" width={40} placeholder="all" {...textProps('natsSite')} />
      </Field>
      <Field label="NATS credentials" description="The contents of a .creds file, or a token below.">
        <SecretTextArea
          id="weir-config-nats-credentials"
          cols={64}
          rows={5}
          placeholder="-----BEGIN NATS USER JWT-----"
          {...secretProps(props, 'natsCredentials')}
        />
      </Field>
      <Field label="NATS token">
        <SecretInput id="weir-config-nats-token" width={40} {...secretProps(props, 'natsToken')} />
      </Field>
    </>
  );
}
