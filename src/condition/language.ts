import type { Monaco } from '@grafana/ui';

import { CONDITION_ATTRIBUTES } from '../attributes';

/** Monaco's name for the condition language. */
export const LANGUAGE = 'weir-condition';

const WORD_OPERATORS = ['eq', 'ne', 'neq', 'equals', 'lt', 'le', 'leq', 'less', 'gt', 'ge', 'geq', 'greater'];

/** How the condition language is coloured. */
const TOKENS = {
  ignoreCase: true,
  defaultToken: 'string',
  attributes: CONDITION_ATTRIBUTES,
  keywords: ['and', 'or', 'not', 'in', 'is', ...WORD_OPERATORS],
  tokenizer: {
    root: [
      [/\s+/, 'white'],
      [/\$\{[^}]*\}|\$\w+|\[\[[^\]]*\]\]/, 'variable'],
      [/"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?/, 'string'],
      [/@[\w.-]+/, 'type'],
      [/label\.[\w.-]+/, 'type'],
      [/[!=<>&|*+]+|-(?:eq|n?eq|ne|lt|leq?|gt|geq?)\b/, 'operator'],
      [/[()[\]{},]/, 'delimiter'],
      // Addresses and numbers before words: "fe80::1" starts with a letter.
      [/[\da-f]*:[\da-f:.]*(?:\/\d+)?|\d+(?:\.\d+){3}(?:\/\d+)?|\d[\d.]*/, 'number'],
      [/[a-z_][\w.-]*/, { cases: { '@keywords': 'keyword', '@attributes': 'type', '@default': 'string' } }],
    ],
  },
};

const BRACKETS: Array<[string, string]> = [
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
];

/** Teaches Monaco the language, which all editors of the page share; false if it knows it already. */
export function registerLanguage(monaco: Monaco): boolean {
  if (monaco.languages.getLanguages().some(({ id }) => id === LANGUAGE)) {
    return false;
  }
  monaco.languages.register({ id: LANGUAGE });
  monaco.languages.setLanguageConfiguration(LANGUAGE, {
    brackets: BRACKETS,
    autoClosingPairs: [...BRACKETS, ['"', '"']].map(([open, close]) => ({ open, close })),
    wordPattern: /[^\s!=<>&|+()[\]{},"']+/,
  });
  monaco.languages.setMonarchTokensProvider(
    LANGUAGE,
    TOKENS as Parameters<typeof monaco.languages.setMonarchTokensProvider>[1]
  );
  return true;
}
