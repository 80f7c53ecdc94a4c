import React from 'react';
import { Field, Switch } from '@grafana/ui';

import { NumberField } from './NumberField';
import { changeOptions } from './options';
import { ConfigProps } from './secrets';

/** How long, how many at once, and how much is kept. */
export function LimitSettings(props: ConfigProps) {
  const { jsonData, readOnly } = props.options;
  const numberProps = (key: 'timeoutSeconds' | 'concurrency' | 'cacheMegabytes') => ({
    value: jsonData[key],
    disabled: readOnly,
    onChange: (value: number | undefined) => changeOptions(props, { [key]: value }),
  });
  return (
    <>
      <NumberField
        id="weir-config-timeout"
        label="Timeout"
        description="Seconds to wait for a host. The others' answers are shown without it."
        placeholder="20"
        {...numberProps('timeoutSeconds')}
      />
      <NumberField
        id="weir-config-concurrency"
        label="Concurrent requests"
        description="Requests at once to one host, of all panels together; the others wait."
        placeholder="4"
        {...numberProps('concurrency')}
      />
      <NumberField
        id="weir-config-cache"
        label="Cache"
        description="Megabytes of answers about days that are over, kept for panels that ask the same."
        placeholder="none"
        {...numberProps('cacheMegabytes')}
      />
      <Field
        label="Strict"
        description="A host that does not answer is an error in every query, and not a notice beside the others' answers."
      >
        <Switch
          id="weir-config-strict"
          value={jsonData.strict ?? false}
          disabled={readOnly}
          onChange={(event) => changeOptions(props, { strict: event.currentTarget.checked })}
        />
      </Field>
    </>
  );
}
