import { defaultQuery } from './query';
import { Control, typeInfo } from './queryTypes';
import { WeirQuery } from './types';

const WORDS: Partial<Record<Control, string>> = {
  other: 'and the rest',
  ascending: 'lowest first',
  mirror: 'mirrored',
  resolve: 'reverse lookup',
  enrich: 'country and network',
  partial: 'show partial',
  strict: 'strict',
  debug: 'debug',
};

/** What is set behind the fold of the editor, in a few words. */
export function optionsSummary(query: WeirQuery): string {
  const defaults = defaultQuery(query.queryType);
  return typeInfo(query)
    .options.filter((control) => String(query[control]) !== String(defaults[control as keyof typeof defaults]))
    .map((control) => WORDS[control] ?? `${control} ${query[control]}`)
    .join(', ');
}
