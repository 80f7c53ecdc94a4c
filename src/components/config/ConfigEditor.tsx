import React from 'react';
import { FieldSet } from '@grafana/ui';

import { AccessSettings } from './AccessSettings';
import { HeaderList } from './HeaderList';
import { LimitSettings } from './LimitSettings';
import { LookupSettings } from './LookupSettings';
import { ConfigProps } from './secrets';
import { SourceSettings } from './SourceSettings';
import { TlsSettings } from './TlsSettings';

/** The settings of a data source: where the data come from, how to be let in, and how much may be asked. */
export function ConfigEditor(props: ConfigProps) {
  return (
    <>
      <FieldSet label="Source">
        <SourceSettings {...props} />
      </FieldSet>
      <FieldSet label="Access">
        <AccessSettings {...props} />
        <HeaderList {...props} />
      </FieldSet>
      <FieldSet label="TLS">
        <TlsSettings {...props} />
      </FieldSet>
      <FieldSet label="Limits">
        <LimitSettings {...props} />
      </FieldSet>
      <FieldSet label="Names of addresses">
        <LookupSettings {...props} />
      </FieldSet>
    </>
  );
}
