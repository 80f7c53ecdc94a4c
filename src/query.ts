import { QUERY_TYPES, typeInfo } from './queryTypes';
import { QueryType, WeirQuery } from './types';

/** The version of the query model that this code writes. */
export const QUERY_VERSION = 2;

const COMMON: Omit<WeirQuery, 'refId' | 'queryType' | 'attributes' | 'limit' | 'unit'> = {
  version: QUERY_VERSION,
  servers: [],
  hosts: '',
  interfaces: 'any',
  condition: '',
  direction: 'both',
  value: 'bytes',
  sort: '',
  ascending: false,
  resolution: '',
  other: false,
  compare: '',
  mirror: false,
  resolve: false,
  enrich: false,
  partial: false,
  strict: false,
  debug: false,
  frame: '',
  dedupe: '',
  a: '',
  b: '',
  actors: '',
  variable: '',
  label: '',
};

/** A query of this type in which nothing has been chosen. */
export function defaultQuery(queryType: QueryType): Omit<WeirQuery, 'refId'> {
  const { attributes, limit, unit } = typeInfo({ queryType });
  return { ...COMMON, queryType, attributes, limit, unit, variable: queryType === 'variable' ? 'hosts' : '' };
}

/** The query of a new panel: cheap, and it shows something at once. */
export const DEFAULT_QUERY = defaultQuery('table');

/** A query as dashboards hold it: written by hand, by provisioning, or by an earlier version of this plugin. */
export type SavedQuery = Partial<WeirQuery> & { refId: string };

/** Brings a saved query to the present model. Members it does not know are kept; the argument is not changed. */
export function decodeQuery(saved: SavedQuery): WeirQuery {
  const given = migrate(onlyGiven(saved));
  return trimmed({ ...defaultQuery(given.queryType ?? 'table'), ...given });
}

// Version 1 had tables of totals, whatever their unit said, and mirrored every graph of both directions.
function migrate(saved: SavedQuery): SavedQuery {
  if ((saved.version ?? 1) > 1) {
    return saved;
  }
  const { queryType = 'table', direction = 'both', mirror, unit } = saved;
  return {
    ...saved,
    version: QUERY_VERSION,
    unit: queryType === 'timeseries' ? (unit ?? 'rate') : 'total',
    mirror: mirror ?? (queryType === 'timeseries' && direction === 'both' && saved.version === 1),
  };
}

/**
 * The changes that choosing another query type asks for: a limit, attributes and a unit that nobody touched follow the
 * type's defaults, and so does what the new type does not offer: nobody could see or change it any more.
 */
export function changeQueryType(query: WeirQuery, queryType: QueryType): Partial<WeirQuery> {
  const [before, after] = [typeInfo(query), QUERY_TYPES[queryType]];
  const same = (a: string[], b: string[]) => a.join() === b.join();
  const defaults = defaultQuery(queryType);
  const lost = before.options.filter((option) => !after.options.includes(option)) as Array<keyof typeof defaults>;
  return {
    ...Object.fromEntries(lost.map((option) => [option, defaults[option]])),
    queryType,
    ...(query.limit === before.limit ? { limit: after.limit } : {}),
    ...(same(query.attributes, before.attributes) || unfit(queryType, query) ? { attributes: after.attributes } : {}),
    ...(query.unit === before.unit || !after.units.includes(query.unit) ? { unit: after.unit } : {}),
  };
}

// A node graph is drawn from one attribute to another.
function unfit(queryType: QueryType, { attributes }: WeirQuery): boolean {
  return queryType === 'nodegraph' && attributes.length !== 2;
}

/** What a query still lacks before it can be answered; undefined if nothing. */
export function lacks(query: WeirQuery): string | undefined {
  switch (query.queryType) {
    case 'table':
      return query.attributes.length === 0 ? 'A table needs at least one attribute.' : undefined;
    case 'path':
      return query.a === '' || query.b === '' ? 'A path needs its two ends.' : undefined;
    case 'actors':
      return query.actors === '' ? 'Name a list, or write addresses.' : undefined;
    case 'nodegraph':
      return unfit('nodegraph', query) ? 'A node graph needs two attributes: from and to.' : undefined;
    case 'variable':
      return variableLacks(query);
    default:
      return undefined;
  }
}

function variableLacks({ variable, label, attributes }: WeirQuery): string | undefined {
  switch (variable) {
    case 'labelValues':
      return label === '' ? 'Choose a label.' : undefined;
    case 'values':
      return attributes.length === 0 ? 'Choose an attribute.' : undefined;
    default:
      return undefined;
  }
}

// Members that are null or undefined count as not given.
function onlyGiven(saved: SavedQuery): SavedQuery {
  return Object.fromEntries(Object.entries(saved).filter(([, member]) => member != null)) as SavedQuery;
}

function trimmed(query: WeirQuery): WeirQuery {
  const { hosts, condition, a, b, actors, label } = query;
  const interfaces = query.interfaces.trim() || COMMON.interfaces;
  return {
    ...query,
    interfaces,
    hosts: hosts.trim(),
    condition: condition.trim(),
    a: a.trim(),
    b: b.trim(),
    actors: actors.trim(),
    label: label.trim(),
  };
}
