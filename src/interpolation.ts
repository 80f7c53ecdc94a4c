import { isAlternative, listText } from './conditionText';
import { WeirQuery } from './types';

/** Replaces Grafana's variables in a text; the format sees the value of each, a list if several are chosen. */
export type Replace = (text: string, format: (value: string | string[]) => string) => string;

const VARIABLE = String.raw`\$\w+|\$\{[^}]+\}|\[\[[^\]]+\]\]`;
const ONLY_A_VARIABLE = new RegExp(`^(?:${VARIABLE})$`);
const COMPARED_TO_A_VARIABLE = new RegExp(String.raw`\s*(!=|(?<![<>=])={1,3}|\bin\b)\s*(${VARIABLE})`, 'gi');
const LISTED_VARIABLE = new RegExp(String.raw`\bin\s*[([{]\s*(${VARIABLE})\s*[)\]}]`, 'gi');
const OPERAND = String.raw`(?:\(\s*(${VARIABLE})\s*\)|(${VARIABLE}))`;
const AND = String.raw`(?:&&?|\band\b)`;
const AND_AN_OPERAND = new RegExp(String.raw`\s*${AND}\s*${OPERAND}`, 'gi');
const AN_OPERAND_AND = new RegExp(String.raw`^\s*${OPERAND}\s*${AND}\s*`, 'i');
const LABEL_TERM = new RegExp(String.raw`^\s*([\w.-]+\s*!?=)(.*)$`);

/** The query with all variables replaced. */
export function interpolateQuery(query: WeirQuery, replace: Replace): WeirQuery {
  const text = (member: string) => replace(member, (value) => asList(value).join(','));
  return {
    ...query,
    servers: interpolateList(query.servers, replace),
    hosts: interpolateHosts(query.hosts, replace),
    interfaces: text(query.interfaces) || 'any',
    attributes: interpolateList(query.attributes, replace),
    condition: interpolateCondition(query.condition, replace),
    limit: typeof query.limit === 'string' ? Number(text(query.limit)) : query.limit,
    compare: text(query.compare),
    resolution: text(query.resolution),
    resolve: switched(query.resolve, text),
    enrich: switched(query.enrich, text),
    a: text(query.a),
    b: text(query.b),
    actors: text(query.actors),
    label: text(query.label),
  };
}

/**
 * A variable with several values becomes a list of the condition language: "dport = $port" reads
 * "dport in (22, 80)", "dport != $port" reads "dport not in (22, 80)"; "dport in ($port)" works as well. A single value
 * is taken as it is, so that it may be a whole condition; one that is empty falls away together with its "and". A
 * comparison with a variable that has no value throws, for the panel.
 */
export function interpolateCondition(condition: string, replace: Replace): string {
  const isEmpty = (variable: string) => valuesOf(variable, replace).join('').trim() === '';
  const drop = (match: string, inBrackets?: string, bare?: string) => (isEmpty(inBrackets ?? bare!) ? '' : match);
  const refuseEmpty = (variable: string) => {
    if (isEmpty(variable)) {
      throw new Error(`Variable ${variable} has no value, but the condition compares with it: choose one.`);
    }
  };
  [...condition.matchAll(LISTED_VARIABLE)].forEach(([, variable]) => refuseEmpty(variable));
  const withLists = condition
    .replace(AND_AN_OPERAND, drop)
    .replace(AN_OPERAND_AND, drop)
    .replace(COMPARED_TO_A_VARIABLE, (comparison, operator, variable) => {
      refuseEmpty(variable);
      const values = valuesOf(variable, replace);
      if (values.length < 2 && operator.toLowerCase() !== 'in') {
        return comparison;
      }
      return `${operator === '!=' ? ' not' : ''} in (${listText(values)})`;
    });
  const alone = ONLY_A_VARIABLE.test(withLists.trim());
  return replace(withLists, (value) =>
    Array.isArray(value) ? listText(value) : isAlternative(value) && !alone ? `(${value})` : value
  );
}

// "company=$company" becomes "company=a|b", "$host" becomes "x,y"; a label without a chosen value asks for nothing, and
// so does one with "*", by which dashboards say All: hosts without the label are part of all.
function interpolateHosts(hosts: string, replace: Replace): string {
  return hosts
    .split(',')
    .map((part) => {
      const [, label, values] = LABEL_TERM.exec(part) ?? [];
      if (label === undefined) {
        return replace(part, (value) => asList(value).join(','));
      }
      const text = replace(values, (value) => asList(value).join('|'));
      return ['', '*'].includes(text.trim()) ? '' : label + text;
    })
    .filter((part) => part.trim() !== '')
    .join(',');
}

// An item that is a variable becomes as many items as the variable has values.
function interpolateList(items: string[], replace: Replace): string[] {
  return items
    .flatMap((item) =>
      ONLY_A_VARIABLE.test(item) ? valuesOf(item, replace) : [replace(item, (value) => asList(value).join(','))]
    )
    .flatMap((item) => item.split(','))
    .filter((item) => item.trim() !== '');
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

// A dashboard may put a variable in the place of a switch.
function switched(member: boolean | string, text: (member: string) => string): boolean {
  return typeof member === 'string' ? /^(true|yes|on|1)$/i.test(text(member)) : member;
}

function asList(value: string | string[]): string[] {
  return Array.isArray(value) ? value : [value];
}
