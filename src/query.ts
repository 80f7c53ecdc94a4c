import { QueryType, WeirQuery } from './types';

/** The version of the query model that this code writes. */
export const QUERY_VERSION = 1;

const DEFAULT_LIMIT: Record<QueryType, number> = { table: 25, timeseries: 10 };

/** The query of a new panel: cheap, and it shows something at once. */
export const DEFAULT_QUERY: Omit<WeirQuery, 'refId'> = {
  version: QUERY_VERSION,
  queryType: 'table',
  servers: [],
  interfaces: 'any',
  attributes: ['sip', 'dip', 'dport', 'proto'],
  condition: '',
  limit: DEFAULT_LIMIT.table,
  direction: 'both',
  value: 'bytes',
  unit: 'rate',
  other: false,
};

/** A query as dashboards hold it: written by hand, by provisioning, or by an earlier version of this plugin. */
export type SavedQuery = Partial<WeirQuery> & { refId: string };

/** Brings a saved query to the present model. Members it does not know are kept; the argument is not changed. */
export function decodeQuery(saved: SavedQuery): WeirQuery {
  const queryType = saved.queryType ?? DEFAULT_QUERY.queryType;
  return { ...DEFAULT_QUERY, limit: DEFAULT_LIMIT[queryType], ...given(saved) };
}

/** The changes that choosing another query type asks for: a limit nobody touched follows the type's default. */
export function changeQueryType(query: WeirQuery, queryType: QueryType): Partial<WeirQuery> {
  const untouched = query.limit === DEFAULT_LIMIT[query.queryType];
  return untouched ? { queryType, limit: DEFAULT_LIMIT[queryType] } : { queryType };
}

/** A query that cannot be answered: a table needs something to group by, a graph does without (the total). */
export function isIncomplete(query: WeirQuery): boolean {
  return query.queryType === 'table' && query.attributes.length === 0;
}

/** The query as one line, for query history and collapsed rows. */
export function displayText(query: WeirQuery): string {
  const { attributes, condition, direction, interfaces, limit, queryType, servers, value } = query;
  const groups = attributes.length > 0 ? `top ${limit} ${attributes.join(',')}` : 'total';
  const way = direction === 'both' ? '' : ` ${direction}`;
  return [
    `${groups} by ${value}${way}`,
    queryType === 'timeseries' ? 'over time' : '',
    `on ${interfaces}`,
    servers.length > 0 ? `at ${servers.join(',')}` : '',
    condition === '' ? '' : `where ${condition}`,
  ]
    .filter(Boolean)
    .join(' ');
}

// Members that are null or undefined count as not given.
function given(saved: SavedQuery): SavedQuery {
  return Object.fromEntries(Object.entries(saved).filter(([, member]) => member != null)) as SavedQuery;
}
