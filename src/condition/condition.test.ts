import type { Monaco, MonacoEditor, monacoTypes } from '@grafana/ui';

import { Completion } from '../types';
import { bytesBefore, indexOfByte } from './bytes';
import { completeBy, propose, registerCompletion } from './completion';
import { bindKeys, leave, oneLine } from './editor';
import { registerLanguage } from './language';
import { markFault } from './markers';

describe('bytes', () => {
  it.each([
    ['abc', 2, 2],
    ['äbc', 1, 2],
    ['€ x', 1, 3],
    ['a😀b', 3, 5],
  ])('%j up to %i', (text, index, bytes) => {
    expect(bytesBefore(text, index)).toBe(bytes);
    expect(indexOfByte(text, bytes)).toBe(index);
  });

  it('end with the text', () => {
    expect(indexOfByte('abc', 99)).toBe(3);
    expect(indexOfByte('abc', -1)).toBe(0);
  });
});

// Completes a "d" to "dport", wherever it stands.
async function complete(text: string, cursor: number): Promise<Completion[]> {
  const word = text.slice(0, cursor).match(/d?$/)![0];
  const value = /= *$/.test(text);
  return [
    {
      text: value ? '443' : 'dport',
      offset: bytesBefore(text, cursor) - word.length,
      length: word.length,
      kind: value ? 'value' : 'attribute',
    },
  ];
}

const source = { complete: jest.fn(complete), getVariableNames: () => ['$port', '$site'] };

describe('propose', () => {
  it('asks the backend in bytes and answers in indices', async () => {
    const text = 'iface = "ä" & d';

    expect(await propose(source, text, text.length)).toEqual([
      { text: 'dport', start: 14, end: 15, kind: 'attribute', description: undefined },
    ]);
    expect(source.complete).toHaveBeenLastCalledWith(text, 16);
  });

  it('offers variables among values', async () => {
    const proposals = await propose(source, 'dport = ', 8);

    expect(proposals.map(({ text }) => text)).toEqual(['443', '$port', '$site']);
  });

  it('offers variables where one is begun, without asking', async () => {
    source.complete.mockClear();

    expect(await propose(source, 'dport = $po', 11)).toMatchObject([
      { text: '$port', start: 8, end: 11, kind: 'variable' },
      { text: '$site', start: 8, end: 11 },
    ]);
    expect(source.complete).not.toHaveBeenCalled();
  });

  it('asks about what follows a variable, which the backend does not know', async () => {
    expect(await propose(source, 'dport = $port & d', 17)).toMatchObject([{ text: 'dport', start: 16, end: 17 }]);
    expect(source.complete).toHaveBeenLastCalledWith(' d', 2);
  });

  it('has nothing where the backend cannot be asked', async () => {
    const failing = { ...source, complete: jest.fn().mockRejectedValue(new Error('no')) };

    expect(await propose(failing, 'd', 1)).toEqual([]);
  });
});

describe('Monaco', () => {
  type Provider = monacoTypes.languages.CompletionItemProvider;
  const model = (text: string) =>
    ({
      getValue: () => text,
      getOffsetAt: ({ column }: { column: number }) => column - 1,
      getPositionAt: (offset: number) => ({ lineNumber: 1, column: offset + 1 }),
    }) as unknown as monacoTypes.editor.ITextModel;
  function fakeMonaco() {
    const known: Array<{ id: string }> = [];
    const languages = {
      getLanguages: () => known,
      register: jest.fn((language: { id: string }) => known.push(language)),
      setLanguageConfiguration: jest.fn(),
      setMonarchTokensProvider: jest.fn(),
      registerCompletionItemProvider: jest.fn<void, [string, Provider]>(),
      CompletionItemKind: { Field: 1, Operator: 2, Value: 3, Keyword: 4, Variable: 5 },
    };
    const editor = { setModelMarkers: jest.fn() };
    const Range = { fromPositions: (from: object, to: object) => ({ from, to }) };
    const KeyCode = { Enter: 3, Tab: 2, UpArrow: 16, DownArrow: 18 };
    const KeyMod = { CtrlCmd: 2048, Shift: 1024 };
    return { languages, editor, Range, KeyCode, KeyMod, MarkerSeverity: { Error: 8 } };
  }

  it('is taught the language once', () => {
    const monaco = fakeMonaco();

    expect(registerLanguage(monaco as unknown as Monaco)).toBe(true);
    expect(registerLanguage(monaco as unknown as Monaco)).toBe(false);
    expect(monaco.languages.register).toHaveBeenCalledTimes(1);
  });

  it('asks each text’s own data source how it goes on', async () => {
    const monaco = fakeMonaco();
    registerCompletion(monaco as unknown as Monaco);
    const [, provider] = monaco.languages.registerCompletionItemProvider.mock.lastCall!;
    const text = model('d');
    completeBy(text, source);
    const ask = (of: monacoTypes.editor.ITextModel) =>
      provider.provideCompletionItems(
        of,
        { lineNumber: 1, column: 2 } as monacoTypes.Position,
        {} as never,
        {} as never
      );

    expect(await ask(text)).toMatchObject({
      suggestions: [
        { label: 'dport', insertText: 'dport ', kind: 1, range: { from: { column: 1 }, to: { column: 2 } } },
      ],
    });
    expect(await ask(model('d'))).toEqual({ suggestions: [] });
  });

  it.each([
    ['a word', { offset: 3, length: 5 }, 3, 8],
    ['the end', { offset: 8, length: 0 }, 7, 8],
    ['nothing at all', { offset: 0, length: 0 }, 0, 0],
  ])('underlines %s', (_, place, from, to) => {
    const monaco = fakeMonaco();

    markFault(monaco as unknown as Monaco, model('ä dprot'), { message: 'no', diagram: '', ...place });

    const [, , [marker]] = monaco.editor.setModelMarkers.mock.lastCall!;
    const inBytes = [from, to].map((at) => indexOfByte('ä dprot', at) + 1);
    expect([marker.endColumn, marker.message]).toEqual([inBytes[1], 'no']);
    expect(marker.startColumn).toBe(place.length > 0 || from === 0 ? inBytes[0] : inBytes[1] - 1);
  });

  it('takes the underline away', () => {
    const monaco = fakeMonaco();

    markFault(monaco as unknown as Monaco, model('x'), undefined);

    expect(monaco.editor.setModelMarkers).toHaveBeenLastCalledWith(expect.anything(), 'weir', []);
  });

  it('runs on Enter unless a proposal was gone to, and leaves on Tab', () => {
    const monaco = fakeMonaco();
    const addAction = jest.fn();
    const onEnter = jest.fn();
    const choosing = { set: jest.fn() };
    let press: (event: { keyCode: number }) => void = () => {};
    const editor = {
      addAction,
      createContextKey: () => choosing,
      getDomNode: () => null,
      onKeyDown: (listener: typeof press) => (press = listener),
      trigger: jest.fn(),
    };

    bindKeys(editor as unknown as MonacoEditor, monaco as unknown as Monaco, onEnter);

    const actions = addAction.mock.calls.map(([action]) => action);
    const bound = (key: number) => actions.find(({ keybindings }) => keybindings.includes(key));
    expect(bound(3)).toMatchObject({ keybindingContext: '!suggestWidgetVisible || !weirChoosingProposal' });
    expect(bound(2)).toMatchObject({ keybindingContext: '!suggestWidgetVisible' });
    press({ keyCode: 18 });
    press({ keyCode: 3 });
    expect(choosing.set.mock.calls).toEqual([[true]]);
    press({ keyCode: 40 });
    expect(choosing.set).toHaveBeenLastCalledWith(false);
    bound(2048 | 3).run();
    expect(onEnter).toHaveBeenCalledTimes(1);
    expect(editor.trigger).toHaveBeenCalledWith('weir', 'hideSuggestWidget', {});
  });
});

it('gives the focus to the neighbour', () => {
  document.body.innerHTML = '<input id="a"><div id="editor"><textarea id="t"></textarea></div><button id="b"></button>';
  const boxes = [{}] as unknown as DOMRectList;
  jest.spyOn(HTMLElement.prototype, 'getClientRects').mockReturnValue(boxes);
  const editor = document.getElementById('editor');
  const leaveFrom = (id: string, step: 1 | -1) => {
    document.getElementById(id)!.focus();
    leave(editor, step);
    return document.activeElement?.id;
  };

  expect(leaveFrom('t', 1)).toBe('b');
  expect(leaveFrom('t', -1)).toBe('a');
  expect(leaveFrom('b', 1)).toBe('b');
});

it('makes one line of several', () => {
  expect(oneLine('dport = 80 &\n  proto = tcp\r\n')).toBe('dport = 80 & proto = tcp ');
});
