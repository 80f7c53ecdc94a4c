import { useEffect, useState } from 'react';
import {
  CoreApp,
  DataQueryRequest,
  DataQueryResponse,
  dateTime,
  LoadingState,
  rangeUtil,
  TimeRange,
} from '@grafana/data';

import { Query, Source } from './plugin';

/** What is to be run; each object is run once. */
export interface Run {
  query: Query;
  /** The range: the last so many minutes. */
  minutes: number;
}

export interface Answer {
  /** What was asked. */
  queryType?: string;
  state: LoadingState;
  range?: TimeRange;
  response?: DataQueryResponse;
}

/** Runs a query through the data source whenever run changes; the last answer stays until the next one is there. */
export function useQuery(source: Source | undefined, run: Run | undefined, queryType: string | undefined): Answer {
  const [answer, setAnswer] = useState<Answer>({ state: LoadingState.NotStarted });
  useEffect(() => {
    if (!source || !run || queryType === undefined) {
      return;
    }
    const target = asType(run.query, queryType);
    const range = lastMinutes(run.minutes);
    if (source.filterQuery && !source.filterQuery(target)) {
      setAnswer({ queryType, state: LoadingState.Done, range, response: { data: [] } });
      return;
    }
    setAnswer((last) => ({ ...(last.queryType === queryType ? last : { queryType }), state: LoadingState.Loading }));
    const subscription = source.query(request(target, range)).subscribe({
      next: (response) => setAnswer({ queryType, state: response.state ?? LoadingState.Done, range, response }),
      error: ({ message }) =>
        setAnswer({ queryType, state: LoadingState.Error, range, response: { data: [], errors: [{ message }] } }),
    });
    return () => subscription.unsubscribe();
  }, [source, run, queryType]);
  // A panel must not be given the frames of another type.
  return answer.queryType === queryType ? answer : { queryType, state: LoadingState.Loading };
}

export function lastMinutes(minutes: number): TimeRange {
  const to = dateTime();
  const from = dateTime(to).subtract(minutes, 'minutes');
  return { from, to, raw: { from: `now-${minutes}m`, to: 'now' } };
}

// What was chosen for one type only; the other one takes its defaults.
const OF_ONE_TYPE = { limit: undefined, unit: undefined, resolution: undefined };

function asType(query: Query, queryType: string): Query {
  return query.queryType === queryType ? query : { ...query, ...OF_ONE_TYPE, queryType };
}

function request(target: Query, range: TimeRange): DataQueryRequest<Query> {
  const maxDataPoints = 600;
  const { interval, intervalMs } = rangeUtil.calculateInterval(range, maxDataPoints, '1s');
  return {
    requestId: `explorer-${target.queryType}`,
    app: CoreApp.Explore,
    targets: [target],
    range,
    interval,
    intervalMs,
    maxDataPoints,
    scopedVars: {},
    timezone: 'browser',
    startTime: Date.now(),
  };
}
