import { isFetchError } from '@grafana/runtime';

/** What a failed request says, in one line. */
export function errorText(error: unknown): string {
  if (isFetchError(error)) {
    return error.data?.message ?? error.statusText ?? `HTTP status ${error.status}`;
  }
  return error instanceof Error ? error.message : String(error);
}
