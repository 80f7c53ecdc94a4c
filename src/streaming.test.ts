import { of, Subject, throwError } from 'rxjs';
import {
  DataFrameJSON,
  DataQueryRequest,
  DataQueryResponse,
  LiveChannelEvent,
  LiveChannelEventType,
  LoadingState,
} from '@grafana/data';
import { GrafanaLiveSrv } from '@grafana/runtime';

import { decodeQuery } from './query';
import { canStream, FIRST_MESSAGE_MS, streamQuery } from './streaming';
import { WeirQuery } from './types';

const query = decodeQuery({ refId: 'A', version: 2, partial: true });
const request = {
  app: 'dashboard',
  range: { from: 1000, to: 2000 },
  intervalMs: 10,
  maxDataPoints: 100,
} as unknown as DataQueryRequest<WeirQuery>;

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

function message(custom: object, rows = 1): LiveChannelEvent<DataFrameJSON> {
  const schema = { fields: [{ name: 'sip', type: 'string' as never }], meta: { custom } };
  return {
    type: LiveChannelEventType.Message,
    message: { schema, data: { values: [Array.from({ length: rows }, (_, i) => `192.0.2.${i}`)] } },
  };
}

function start() {
  const channel = new Subject<LiveChannelEvent<DataFrameJSON>>();
  const live = { getStream: jest.fn().mockReturnValue(channel) };
  const plain = jest.fn(() => of({ data: ['plain'] } as unknown as DataQueryResponse));
  const seen: DataQueryResponse[] = [];
  const ended = jest.fn();
  const answers = streamQuery(live as unknown as GrafanaLiveSrv, 'weir', query, request, plain);
  const subscription = answers.subscribe({ next: (answer) => seen.push(answer), complete: ended });
  return { channel, live, plain, seen, ended, subscription };
}

it('shows what is there while hosts answer, until all have', () => {
  const { channel, live, plain, seen, ended } = start();

  channel.next(message({ done: 1, total: 3 }, 1));
  jest.advanceTimersByTime(10 * FIRST_MESSAGE_MS);
  channel.next(message({ done: 3, total: 3 }, 2));

  expect(seen.map(({ state, data }) => [state, data[0].length, data[0].refId])).toEqual([
    [LoadingState.Streaming, 1, 'A'],
    [LoadingState.Done, 2, 'A'],
  ]);
  expect(new Set(seen.map(({ key }) => key)).size).toBe(1);
  expect(ended).toHaveBeenCalledTimes(1);
  expect(plain).not.toHaveBeenCalled();
  expect(live.getStream.mock.lastCall[0]).toMatchObject({
    scope: 'ds',
    namespace: 'weir',
    stream: 'weir',
    path: expect.stringMatching(/^run\/\w+$/),
    data: { refId: 'A', queryType: 'table', from: 1000, to: 2000, intervalMs: 10, maxDataPoints: 100 },
  });
});

it('takes a path of its own for each run', () => {
  const paths = [start(), start()].map(({ live }) => live.getStream.mock.lastCall[0].path);

  expect(paths[0]).not.toBe(paths[1]);
});

it('asks in the plain way when nothing comes in time', () => {
  const { channel, plain, seen, ended } = start();
  expect(plain).not.toHaveBeenCalled();

  jest.advanceTimersByTime(FIRST_MESSAGE_MS);

  expect(plain).toHaveBeenCalledTimes(1);
  expect(seen.map(({ data }) => data)).toEqual([['plain']]);
  expect(ended).toHaveBeenCalledTimes(1);
  expect(channel.observed).toBe(false);
});

it.each<[string, (channel: Subject<LiveChannelEvent<DataFrameJSON>>) => void]>([
  ['says no', (channel) => channel.next({ type: LiveChannelEventType.Status, error: 'no' } as LiveChannelEvent)],
  ['fails', (channel) => channel.error(new Error('no'))],
  ['ends without an answer', (channel) => channel.complete()],
])('asks in the plain way when the channel %s', (_, happen) => {
  const { channel, plain, seen } = start();

  happen(channel);

  expect(plain).toHaveBeenCalledTimes(1);
  expect(seen).toHaveLength(1);
});

it('replaces a partial answer by the plain one when the channel breaks off', () => {
  const { channel, seen } = start();
  channel.next(message({ done: 1, total: 3 }));

  channel.error(new Error('connection lost'));

  expect(seen.map(({ state }) => state)).toEqual([LoadingState.Streaming, undefined]);
  expect(seen[1].key).toBe(seen[0].key);
});

it('shows the error of a query as that', () => {
  const { channel, plain, seen, ended } = start();

  channel.next(message({ done: 1, total: 1, error: 'unknown attribute' }));

  expect(seen).toMatchObject([{ errors: [{ refId: 'A', message: 'unknown attribute' }], state: LoadingState.Error }]);
  expect(ended).toHaveBeenCalled();
  expect(plain).not.toHaveBeenCalled();
});

it('leaves the channel when the panel goes', () => {
  const { channel, plain, subscription } = start();

  subscription.unsubscribe();
  jest.advanceTimersByTime(10 * FIRST_MESSAGE_MS);

  expect(channel.observed).toBe(false);
  expect(plain).not.toHaveBeenCalled();
});

it('asks in the plain way where there is no Live', () => {
  const plain = jest.fn(() => throwError(() => new Error('asked')));

  streamQuery(undefined, 'weir', query, request, plain).subscribe({ error: () => {} });

  expect(plain).toHaveBeenCalledTimes(1);
});

it.each<[string, Partial<WeirQuery>, string, boolean]>([
  ['a panel', {}, 'dashboard', true],
  ['Explore', { queryType: 'timeseries' }, 'explore', true],
  ['an alert rule', {}, 'unified-alerting', false],
  ['an unknown place', {}, 'unknown', false],
  ['one that does not ask for it', { partial: false }, 'dashboard', false],
  ['an answer of several frames', { queryType: 'nodegraph' }, 'dashboard', false],
  ['debugging', { debug: true }, 'dashboard', false],
])('%s streams or not', (_, changes, app, can) => {
  expect(canStream({ ...query, ...changes }, { ...request, app })).toBe(can);
});
