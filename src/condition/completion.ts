import type { Monaco, monacoTypes } from '@grafana/ui';

import { Completion } from '../types';
import { bytesBefore, indexOfByte } from './bytes';
import { LANGUAGE } from './language';

/** A proposal for the editor; start and end are indices of the text. */
export interface Proposal {
  text: string;
  start: number;
  end: number;
  kind: Completion['kind'] | 'variable';
  description?: string;
}

/** Where proposals come from. */
export interface Completer {
  complete: (text: string, cursor: number) => Promise<Completion[]>;
  getVariableNames: () => string[];
}

const VARIABLE_AT_CURSOR = /\$\w*$/;
const CONNECTIVE = /&&?|\|\|?|\b(?:and|or)\b/gi;

/** How the text may go on at the cursor. Where the backend cannot be asked there is nothing to propose. */
export async function propose(source: Completer, text: string, cursor: number): Promise<Proposal[]> {
  const variable = VARIABLE_AT_CURSOR.exec(text.slice(0, cursor));
  if (variable) {
    return variables(source, variable.index, cursor);
  }
  // The backend does not know the dashboard's variables: it is asked about the part behind the last one.
  const from = behindVariables(text, cursor);
  const part = text.slice(from);
  const found = await source.complete(part, bytesBefore(part, cursor - from)).catch(() => []);
  const proposals = (found ?? []).map(({ text, offset, length, kind, description }) => ({
    text,
    start: from + indexOfByte(part, offset),
    end: from + indexOfByte(part, offset + length),
    kind,
    description,
  }));
  return proposals.some(({ kind }) => kind === 'value')
    ? [...proposals, ...variables(source, cursor, cursor)]
    : proposals;
}

function variables(source: Completer, start: number, end: number): Proposal[] {
  return source
    .getVariableNames()
    .map((text) => ({ text, start, end, kind: 'variable', description: 'dashboard variable' }));
}

function behindVariables(text: string, cursor: number): number {
  const last = Math.max(text.lastIndexOf('$', cursor - 1), text.lastIndexOf('[[', cursor - 1));
  if (last < 0) {
    return 0;
  }
  const connectives = [...text.slice(0, cursor).matchAll(CONNECTIVE)].filter(({ index }) => index > last);
  const [next] = connectives;
  return next ? next.index + next[0].length : 0;
}

const completers = new WeakMap<monacoTypes.editor.ITextModel, Completer>();

/** Lets an editor's text be completed by its own data source. */
export function completeBy(model: monacoTypes.editor.ITextModel, source: Completer) {
  completers.set(model, source);
}

/** Registers the one provider of the language, which asks the data source that each text belongs to. */
export function registerCompletion(monaco: Monaco) {
  const { Field, Operator, Value, Keyword, Variable } = monaco.languages.CompletionItemKind;
  const kinds = { attribute: Field, operator: Operator, value: Value, connective: Keyword, variable: Variable };
  monaco.languages.registerCompletionItemProvider(LANGUAGE, {
    triggerCharacters: [...' =<>!&|(,@$.'],
    provideCompletionItems: async (model, position) => {
      const source = completers.get(model);
      const proposals = source ? await propose(source, model.getValue(), model.getOffsetAt(position)) : [];
      return {
        suggestions: proposals.map(({ text, start, end, kind, description }, at) => ({
          label: text,
          insertText: kind === 'value' || kind === 'variable' ? text : `${text} `,
          kind: kinds[kind],
          detail: description,
          range: monaco.Range.fromPositions(model.getPositionAt(start), model.getPositionAt(end)),
          sortText: String(at).padStart(4, '0'),
          // What follows is proposed at once.
          command: { id: 'editor.action.triggerSuggest', title: '' },
        })),
      };
    },
  });
}
