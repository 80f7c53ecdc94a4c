import { AdHocVariableFilter } from '@grafana/data';

import { conditionAttribute } from './attributes';

/** A value as the condition language wants it. Quoted text has no wildcards, ranges or lists in it. */
export function quote(value: string): string {
  return value === '' || /[\s!=<>&|+()[\]{},"']/.test(value) ? JSON.stringify(value) : value;
}

/** Several values as the inside of a list. */
export function listText(values: string[]): string {
  return values.map(quote).join(', ');
}

/** Whether a text has to be put in parentheses before another term joins it. */
export function isAlternative(condition: string): boolean {
  return /[|+]|\bor\b/i.test(condition);
}

/** The condition and the term; a term that stands there already is not added again. */
export function addTerm(condition: string, term: string): string {
  if (condition === '') {
    return term;
  }
  if (condition === term || condition.endsWith(` & ${term}`) || condition.startsWith(`${term} & `)) {
    return condition;
  }
  return `${isAlternative(condition) ? `(${condition})` : condition} & ${term}`;
}

const COMPARISONS = ['=', '!=', '<', '<=', '>', '>='];

/** A dashboard filter as a term of the condition language. Throws what is wrong with it, for the panel. */
export function filterTerm({ key, operator, value, values }: AdHocVariableFilter): string {
  const attribute = conditionAttribute(key);
  if (attribute === undefined) {
    throw new Error(`The filter on "${key}" cannot be applied: conditions have no such attribute. Remove the filter.`);
  }
  const chosen = values?.length ? values : [value];
  switch (operator) {
    case '=|':
      return `${attribute} in (${listText(chosen)})`;
    case '!=|':
      return `${attribute} not in (${listText(chosen)})`;
    default:
      if (!COMPARISONS.includes(operator)) {
        throw new Error(
          `The filter "${key} ${operator} ${value}" cannot be applied: conditions compare with =, !=, <, <=, >, >= and lists.`
        );
      }
      return `${attribute} ${operator} ${quote(value)}`;
  }
}

/** The condition narrowed by all filters of the dashboard. A filter that is still being entered has no value yet. */
export function withFilters(condition: string, filters: AdHocVariableFilter[] = []): string {
  return filters
    .filter(({ key, operator, value, values }) => key && operator && (value || values?.length))
    .reduce((narrowed, filter) => addTerm(narrowed, filterTerm(filter)), condition);
}
