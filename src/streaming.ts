import { concat, defer, EMPTY, merge, Observable, of, throwError, timer } from 'rxjs';
import { catchError, filter, map, mergeMap, takeUntil, takeWhile, tap } from 'rxjs/operators';
import {
  CoreApp,
  DataFrameJSON,
  dataFrameFromJSON,
  DataQueryRequest,
  DataQueryResponse,
  isLiveChannelMessageEvent,
  isLiveChannelStatusEvent,
  LiveChannelAddress,
  LiveChannelScope,
  LoadingState,
} from '@grafana/data';
import { GrafanaLiveSrv } from '@grafana/runtime';

import { QueryType, WeirQuery } from './types';

/** How long the first partial answer may take before the query is asked in the plain way. */
export const FIRST_MESSAGE_MS = 2000;

// Where somebody looks on. Alert rules, shared and reported panels always get the plain, complete answer.
const WATCHED = new Set<string>([CoreApp.Dashboard, CoreApp.PanelEditor, CoreApp.Explore]);

// A message carries one frame; these answers have one.
const ONE_FRAME = new Set<QueryType>(['table', 'timeseries']);

/** Whether the answer to a query can be shown while hosts are still answering. */
export function canStream(query: WeirQuery, request: DataQueryRequest<WeirQuery>): boolean {
  return (
    query.partial && ONE_FRAME.has(query.queryType) && !query.debug && query.frame === '' && WATCHED.has(request.app)
  );
}

/**
 * Runs a query through Grafana Live: a frame per step, each the whole of what is there, until all hosts have answered
 * or failed. Without a first message in time, or when Live says no, the plain query is asked.
 */
export function streamQuery(
  live: GrafanaLiveSrv | undefined,
  uid: string,
  query: WeirQuery,
  request: DataQueryRequest<WeirQuery>,
  plain: () => Observable<DataQueryResponse>
): Observable<DataQueryResponse> {
  if (!live) {
    return plain();
  }
  // A path is run once: a second subscriber would find it finished.
  const id = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  const messages = live.getStream<DataFrameJSON>(address(uid, id, query, request)).pipe(
    mergeMap((event) => {
      if (isLiveChannelStatusEvent(event) && event.error) {
        return throwError(() => event.error);
      }
      return isLiveChannelMessageEvent(event) ? of(event.message) : EMPTY;
    }),
    map((message) => response(message, id, query.refId)),
    takeWhile(({ state }) => state === LoadingState.Streaming, true)
  );
  // The same key, so that the plain answer replaces what was shown of the partial one.
  return withFallback(messages, () => plain().pipe(map((answer) => ({ ...answer, key: id }))));
}

// What breaks off half-way is asked for in the plain way, too: a partial answer must not be taken for the whole.
function withFallback(messages: Observable<DataQueryResponse>, plain: () => Observable<DataQueryResponse>) {
  return defer(() => {
    let heard = false;
    let finished = false;
    const streamed = messages.pipe(
      tap(({ state }) => {
        heard = true;
        finished = state !== LoadingState.Streaming;
      }),
      takeUntil(timer(FIRST_MESSAGE_MS).pipe(filter(() => !heard))),
      catchError(() => EMPTY)
    );
    return concat(
      streamed,
      defer(() => (finished ? EMPTY : plain()))
    );
  });
}

function address(uid: string, id: string, query: WeirQuery, request: DataQueryRequest<WeirQuery>): LiveChannelAddress {
  const { range, intervalMs, maxDataPoints } = request;
  const data = { ...query, from: range.from.valueOf(), to: range.to.valueOf(), intervalMs, maxDataPoints };
  // Grafana 12 knows the data source as the namespace, Grafana 13 as the stream.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return { scope: LiveChannelScope.DataSource, namespace: uid, stream: uid, path: `run/${id}`, data };
}

/** What the backend says in Meta.Custom of each frame. */
interface Progress {
  done?: number;
  total?: number;
  error?: string;
}

function response(message: DataFrameJSON, key: string, refId: string): DataQueryResponse {
  const frame = dataFrameFromJSON(message);
  frame.refId = refId;
  const { done = 0, total = 0, error }: Progress = frame.meta?.custom ?? {};
  if (error) {
    return { key, data: [], errors: [{ refId, message: error }], state: LoadingState.Error };
  }
  return { key, data: [frame], state: done >= total ? LoadingState.Done : LoadingState.Streaming };
}

/** Several answers as one; each keeps its own key, so that Grafana replaces its part only. */
export function together(answers: Array<Observable<DataQueryResponse>>): Observable<DataQueryResponse> {
  return answers.length === 1 ? answers[0] : merge(...answers);
}
