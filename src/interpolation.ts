import { WeirQuery } from './types';

/** Replaces Grafana's variables in a text; the format sees the value of each, a list if several are chosen. */
export type Replace = (text: string, format: (value: string | string[]) => string) => string;

const VARIABLE = String.raw`\$\w+|\$\{[^}]+\}|\[\[[^\]]+\]\]`;
const ONLY_A_VARIABLE = new RegExp(`^(?:${VARIABLE})$`);
const COMPARED_TO_A_VARIABLE = new RegExp(String.raw`\s*(!=|(?<![<>=])={1,3}|\bin\b)\s*(${VARIABLE})`, 'gi');

/** The query with all variables replaced. */
export function interpolateQuery(query: WeirQuery, replace: Replace): WeirQuery {
  return {
    ...query,
    servers: interpolateList(query.servers, replace),
    interfaces: replace(query.interfaces, (value) => asList(value).join(',')),
    attributes: interpolateList(query.attributes, replace),
    condition: interpolateCondition(query.condition, replace),
  };
}

/**
 * A variable with several values becomes a list of the condition language: "dport = $port" reads
 * "dport in (22, 80)", "dport != $port" reads "dport not in (22, 80)"; "dport in ($port)" works as well. A single value
 * is taken as it is, so that it may be a whole condition.
 */
export function interpolateCondition(condition: string, replace: Replace): string {
  const withLists = condition.replace(COMPARED_TO_A_VARIABLE, (comparison, operator, variable) => {
    const values = valuesOf(variable, replace);
    if (values.length < 2 && operator.toLowerCase() !== 'in') {
      return comparison;
    }
    return `${operator === '!=' ? ' not' : ''} in (${conditionText(values)})`;
  });
  return replace(withLists, conditionText);
}

// An item that is a variable becomes as many items as the variable has values.
function interpolateList(items: string[], replace: Replace): string[] {
  return items.flatMap((item) =>
    ONLY_A_VARIABLE.test(item) ? valuesOf(item, replace) : [replace(item, (value) => asList(value).join(','))]
  );
}

function valuesOf(variable: string, replace: Replace): string[] {
  let values: string[] | undefined;
  const text = replace(variable, (value) => {
    values = asList(value);
    return '';
  });
  // The format is not asked where the variable is unknown or carries its own format (${name:csv}).
  return values ?? [text];
}

function conditionText(value: string | string[]): string {
  return Array.isArray(value) ? value.map(quote).join(', ') : value;
}

// Only what needs quotes gets them: quoted text has no wildcards, ranges or lists in it.
function quote(value: string): string {
  return /[\s!=<>&|+()[\]{},"']/.test(value) ? JSON.stringify(value) : value;
}

function asList(value: string | string[]): string[] {
  return Array.isArray(value) ? value : [value];
}
