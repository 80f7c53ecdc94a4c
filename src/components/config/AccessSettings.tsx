import React from 'react';
import { Field, SecretInput } from '@grafana/ui';

import { ConfigProps, secretProps } from './secrets';

/** How Grafana is let in. */
export function AccessSettings(props: ConfigProps) {
  return (
    <Field label="Token" description="The bearer token of a probe's or gateway's query role. The same for all servers.">
      <SecretInput id="weir-config-token" width={40} {...secretProps(props, 'token')} />
    </Field>
  );
}
