import { Observable } from 'rxjs';
import { DataFrameJSON, LiveChannelAddress, LiveChannelEvent, LiveChannelEventType } from '@grafana/data';
import { GrafanaLiveSrv } from '@grafana/runtime';

/** Grafana Live as far as the plugin uses it: the host runs a stream and sends its messages, one a line. */
export const live = {
  getStream: <T>(address: LiveChannelAddress) =>
    new Observable<LiveChannelEvent<T>>((subscriber) => {
      const abort = new AbortController();
      lines(address, abort.signal, (line) =>
        subscriber.next({ type: LiveChannelEventType.Message, message: JSON.parse(line) as DataFrameJSON as T })
      ).then(
        () => subscriber.complete(),
        (error) => subscriber.error(error)
      );
      return () => abort.abort();
    }),
} as unknown as GrafanaLiveSrv;

async function lines(address: LiveChannelAddress, signal: AbortSignal, take: (line: string) => void) {
  const response = await fetch('/api/live/run', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(address),
    signal,
  });
  if (!response.ok || !response.body) {
    throw new Error(`stream: HTTP status ${response.status}`);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const complete = (text + part.value).split('\n');
    text = complete.pop()!;
    complete.filter(Boolean).forEach(take);
  }
}
