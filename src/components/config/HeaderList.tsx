import React from 'react';
import { Button, Field, IconButton, Input, SecretInput, Stack } from '@grafana/ui';

import { addHeader, changeHeaderName, headerName, headerNumbers, removeHeader } from '../../headers';
import { ConfigProps, secretProps } from './secrets';

/** Headers that are sent with every request; their values are secrets. */
export function HeaderList(props: ConfigProps) {
  const { options, onOptionsChange } = props;
  const { jsonData, readOnly = false } = options;
  return (
    <Field label="Headers" description="Sent with every request, for instance to a reverse proxy that asks for them.">
      <Stack direction="column" gap={1}>
        {headerNumbers(jsonData).map((number) => (
          <Stack key={number} direction="row" gap={1} alignItems="center">
            <Input
              id={`weir-config-header-${number}-name`}
              aria-label={`Name of header ${number}`}
              placeholder="X-Name"
              width={24}
              value={headerName(jsonData, number)}
              disabled={readOnly}
              onChange={(event) => onOptionsChange(changeHeaderName(options, number, event.currentTarget.value.trim()))}
            />
            <SecretInput
              id={`weir-config-header-${number}-value`}
              aria-label={`Value of header ${number}`}
              placeholder="value"
              width={40}
              {...secretProps(props, `httpHeaderValue${number}`)}
            />
            <IconButton
              name="trash-alt"
              tooltip={`Remove header ${number}`}
              disabled={readOnly}
              onClick={() => onOptionsChange(removeHeader(options, number))}
            />
          </Stack>
        ))}
        <div>
          <Button
            variant="secondary"
            icon="plus"
            disabled={readOnly}
            onClick={() => onOptionsChange(addHeader(options))}
          >
            Add header
          </Button>
        </div>
      </Stack>
    </Field>
  );
}
