import { typeInfo } from './queryTypes';
import { WeirQuery } from './types';

/** The query as one line, for query history and collapsed rows. */
export function displayText(query: WeirQuery): string {
  const { condition, hosts, interfaces, servers } = query;
  return [
    subject(query),
    `on ${interfaces}`,
    hosts === '' ? '' : `of hosts ${hosts}`,
    servers.length > 0 ? `at ${servers.join(',')}` : '',
    condition === '' ? '' : `where ${condition}`,
    query.compare === '' ? '' : `compared to ${query.compare} earlier`,
  ]
    .filter(Boolean)
    .join(' ');
}

function subject(query: WeirQuery): string {
  const { attributes, direction, limit, queryType, value } = query;
  const way = direction === 'both' ? '' : ` ${direction}`;
  const order = query.ascending ? 'lowest' : 'top';
  const groups = attributes.length > 0 ? `${order} ${limit} ${attributes.join(',')}` : 'total';
  switch (queryType) {
    case 'timeseries':
      return `${groups} by ${value}${way} over time`;
    case 'path':
      return `path ${query.a} ↔ ${query.b}`;
    case 'actors':
      return `actors ${short(query.actors)}`;
    case 'asymmetry':
      return `top ${limit} asymmetric pairs`;
    case 'nodegraph':
      return `node graph of the ${groups} by ${value}${way}`;
    case 'hosts':
      return 'state of hosts';
    case 'variable':
      return variable(query);
    case 'annotations':
      return `annotations of ${attributes.join(',')}`;
    default:
      return `${groups} by ${value}${way}`;
  }
}

function variable({ attributes, label, variable }: WeirQuery): string {
  switch (variable) {
    case 'labelValues':
      return `values of label ${label}`;
    case 'values':
      return `values of ${attributes[0] ?? 'an attribute'}`;
    default:
      return variable || typeInfo({ queryType: 'variable' }).subject;
  }
}

const LONGEST = 60;

function short(text: string): string {
  const line = text.split(/\s+/).join(' ');
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
