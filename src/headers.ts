import { DataSourceSettings } from '@grafana/data';

import { HeaderNames, HeaderSecret, WeirOptions, WeirSecrets } from './types';

type Settings = DataSourceSettings<WeirOptions, WeirSecrets>;

const NAME = /^httpHeaderName(\d+)$/;

/** The numbers under which headers are stored, in order: Grafana's convention of httpHeaderName1, httpHeaderValue1. */
export function headerNumbers(options: WeirOptions): number[] {
  return Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .flatMap(([key]) => NAME.exec(key)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** The name of the header with this number. */
export function headerName(options: WeirOptions, number: number): string {
  return (options as HeaderNames)[`httpHeaderName${number}`] ?? '';
}

/** The settings with one more header, still without a name. */
export function addHeader(settings: Settings): Settings {
  const next = Math.max(0, ...headerNumbers(settings.jsonData)) + 1;
  return changeHeaderName(settings, next, '');
}

export function changeHeaderName(settings: Settings, number: number, name: string): Settings {
  return { ...settings, jsonData: { ...settings.jsonData, [`httpHeaderName${number}`]: name } };
}

/** The settings without a header and its secret value. */
export function removeHeader(settings: Settings, number: number): Settings {
  const value: HeaderSecret = `httpHeaderValue${number}`;
  return {
    ...settings,
    jsonData: { ...settings.jsonData, [`httpHeaderName${number}`]: undefined },
    secureJsonFields: { ...settings.secureJsonFields, [value]: false },
    secureJsonData: { ...settings.secureJsonData, [value]: '' },
  };
}
