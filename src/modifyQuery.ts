import { QueryFixAction } from '@grafana/data';

import { addTerm, filterTerm } from './conditionText';
import { WeirQuery } from './types';

const OPERATORS: Record<string, string> = { ADD_FILTER: '=', ADD_FILTER_OUT: '!=' };

/** The query narrowed by a cell that somebody clicked in Explore. */
export function modifyQuery(query: WeirQuery, { type, options }: QueryFixAction): WeirQuery {
  const operator = OPERATORS[type];
  const { key, value } = options ?? {};
  if (operator === undefined || key === undefined || value === undefined) {
    return query;
  }
  return { ...query, condition: addTerm(query.condition, filterTerm({ key, operator, value: String(value) })) };
}
