import { act, renderHook } from '@testing-library/react';

import { ConditionCheck } from '../types';
import { useConditionCheck } from './useConditionCheck';

const wrong: ConditionCheck = { valid: false, error: { message: 'no', offset: 0, length: 1, diagram: 'no' } };

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

function start(checkCondition: (text: string) => Promise<ConditionCheck>) {
  const source = { checkCondition: jest.fn(checkCondition) };
  const hook = renderHook(({ text }) => useConditionCheck(source, text, 300), { initialProps: { text: 'a' } });
  return { source, ...hook };
}

const pass = (ms: number) => act(() => jest.advanceTimersByTimeAsync(ms));

it('asks once typing has paused', async () => {
  const { source, rerender, result } = start(async () => wrong);

  for (const text of ['ab', 'abc', 'abcd']) {
    await pass(200);
    rerender({ text });
  }
  await pass(299);
  expect(source.checkCondition).not.toHaveBeenCalled();

  await pass(1);
  expect(source.checkCondition.mock.calls).toEqual([['abcd']]);
  expect(result.current.fault).toBe(wrong.error);
});

it('asks at once where the answer is needed, and not again', async () => {
  const { source, result } = start(async () => wrong);

  expect(await act(() => result.current.verify('a'))).toBe(false);
  await pass(1000);

  expect(source.checkCondition).toHaveBeenCalledTimes(1);
});

it('forgets the fault of a text as soon as it changes', async () => {
  const { rerender, result } = start(async () => wrong);
  await pass(300);
  expect(result.current.fault).toBeDefined();

  rerender({ text: 'b' });

  expect(result.current.fault).toBeUndefined();
});

it('ignores an answer that comes after the one to a later text', async () => {
  const answers: Record<string, (check: ConditionCheck) => void> = {};
  const { rerender, result } = start((text) => new Promise((resolve) => (answers[text] = resolve)));
  await pass(300);
  rerender({ text: 'b' });
  await pass(300);

  await act(async () => answers['b'](wrong));
  await act(async () => answers['a']({ valid: true }));

  expect(result.current.fault).toBe(wrong.error);
});
