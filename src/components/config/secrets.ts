import { ChangeEvent } from 'react';
import { DataSourcePluginOptionsEditorProps } from '@grafana/data';

import { HeaderSecret, WeirOptions, WeirSecrets } from '../../types';

export type ConfigProps = DataSourcePluginOptionsEditorProps<WeirOptions, WeirSecrets>;

/** The properties of an input that writes a secret: Grafana tells only whether one is stored. */
export function secretProps({ options, onOptionsChange }: ConfigProps, key: keyof WeirSecrets | HeaderSecret) {
  const setSecret = (value: string, configured: boolean) =>
    onOptionsChange({
      ...options,
      secureJsonFields: { ...options.secureJsonFields, [key]: configured },
      secureJsonData: { ...options.secureJsonData, [key]: value },
    });
  return {
    isConfigured: options.secureJsonFields?.[key] ?? false,
    value: (options.secureJsonData as Partial<Record<typeof key, string>>)?.[key] ?? '',
    disabled: options.readOnly,
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => setSecret(event.target.value, false),
    onReset: () => setSecret('', false),
  };
}
