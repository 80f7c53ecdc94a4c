import { EMPTY, from, Observable } from 'rxjs';
import { map } from 'rxjs/operators';
import { DataSourceInstanceSettings } from '@grafana/data';
import {
  BackendSrv,
  BackendSrvRequest,
  DataSourceSrv,
  FetchError,
  FetchResponse,
  setBackendSrv,
  setDataSourceSrv,
  setEchoSrv,
  setGrafanaLiveSrv,
  setTemplateSrv,
  TemplateSrv,
} from '@grafana/runtime';

import { live } from './live';
import { published, replaceVariables } from './variables';

/** Puts in place what Grafana gives to a plugin: requests, streams, variables and events (nobody listens). */
export function provideServices() {
  setBackendSrv({
    fetch: <T>(request: BackendSrvRequest) => from(send<T>(request)),
    get: <T>(url: string, params?: Record<string, unknown>) => data(from(send<T>({ url, params }))),
    post: <T>(url: string, body?: unknown) => data(from(send<T>({ url, method: 'POST', data: body }))),
    put: <T>(url: string, body?: unknown) => data(from(send<T>({ url, method: 'PUT', data: body }))),
  } as unknown as BackendSrv);
  setTemplateSrv({
    getVariables: () => published().map(({ name }) => ({ name })),
    replace: replaceVariables,
    containsTemplate: (text?: string) => replaceVariables(text) !== (text ?? ''),
    updateTimeRange: () => {},
  } as unknown as TemplateSrv);
  setGrafanaLiveSrv(live);
  setDataSourceSrv({ getList: (): DataSourceInstanceSettings[] => [] } as unknown as DataSourceSrv);
  setEchoSrv({ addBackend: () => {}, addEvent: () => {}, flush: () => {}, onInteraction: () => () => {} });
}

async function send<T>(config: BackendSrvRequest): Promise<FetchResponse<T>> {
  const url = new URL(config.url, window.location.origin);
  for (const [name, value] of Object.entries(config.params ?? {})) {
    url.searchParams.set(name, String(value));
  }
  const response = await fetch(url, {
    method: config.method ?? 'GET',
    headers: { 'Content-Type': 'application/json', ...config.headers },
    body: config.data === undefined ? undefined : JSON.stringify(config.data),
  });
  const text = await response.text();
  const { status, statusText, ok, headers, redirected, type } = response;
  const data = parse(text, statusText);
  if (!ok) {
    const error: FetchError = { status, statusText, data, config };
    throw error;
  }
  return { status, statusText, ok, headers, redirected, type, url: response.url, data: data as T, config };
}

function parse(text: string, otherwise: string) {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.trim() || otherwise };
  }
}

function data<T>(responses: Observable<FetchResponse<T>>): Promise<T> {
  return new Promise((resolve, reject) =>
    (responses ?? EMPTY).pipe(map((response) => response.data)).subscribe({ next: resolve, error: reject })
  );
}
