import React from 'react';
import { Field, Input, SecretTextArea, Switch } from '@grafana/ui';

import { WeirOptions } from '../../types';
import { ConfigProps, secretProps } from './secrets';

/** How the servers prove who they are, and how Grafana does. */
export function TlsSettings(props: ConfigProps) {
  const { options, onOptionsChange } = props;
  const { jsonData, readOnly } = options;
  const change = (changes: Partial<WeirOptions>) =>
    onOptionsChange({ ...options, jsonData: { ...jsonData, ...changes } });
  const switchProps = (key: 'tlsAuthWithCACert' | 'tlsAuth' | 'tlsSkipVerify') => ({
    id: `weir-config-${key}`,
    value: jsonData[key] ?? false,
    disabled: readOnly,
    onChange: (event: { currentTarget: HTMLInputElement }) => change({ [key]: event.currentTarget.checked }),
  });
  return (
    <>
      <Field label="Own certificate authority" description="The servers' certificates are signed by it.">
        <Switch {...switchProps('tlsAuthWithCACert')} />
      </Field>
      {jsonData.tlsAuthWithCACert && (
        <Certificate id="weir-config-ca" label="CA certificate" secret={secretProps(props, 'tlsCACert')} />
      )}
      <Field
        label="Client certificate"
        description="Grafana shows one to the servers, beside or in place of the token."
      >
        <Switch {...switchProps('tlsAuth')} />
      </Field>
      {jsonData.tlsAuth && (
        <>
          <Certificate id="weir-config-cert" label="Certificate" secret={secretProps(props, 'tlsClientCert')} />
          <Certificate id="weir-config-key" label="Key" secret={secretProps(props, 'tlsClientKey')} />
        </>
      )}
      <Field
        label="Server name"
        description="The name to expect in the servers' certificates, if it is not the one in the URL."
      >
        <Input
          id="weir-config-server-name"
          width={40}
          value={jsonData.serverName ?? ''}
          disabled={readOnly}
          onChange={(event) => change({ serverName: event.currentTarget.value || undefined })}
        />
      </Field>
      <Field
        label="Skip verification"
        description="Accepts any certificate: whoever can answer in a server's place then gets the token."
      >
        <Switch {...switchProps('tlsSkipVerify')} />
      </Field>
    </>
  );
}

interface CertificateProps {
  id: string;
  label: string;
  secret: ReturnType<typeof secretProps>;
}

function Certificate({ id, label, secret }: CertificateProps) {
  return (
    <Field label={label}>
      <SecretTextArea id={id} cols={64} rows={5} placeholder="-----BEGIN …" {...secret} />
    </Field>
  );
}
