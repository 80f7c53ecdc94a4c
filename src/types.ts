import { DataSourceJsonData } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

/*
 * What crosses the border between the front end and the backend. pkg/plugin/query.go and pkg/plugin/settings.go
 * mirror the query and the settings; both sides decode src/testdata/query.json in their tests.
 */

export type QueryType = 'table' | 'timeseries';
export type Direction = 'both' | 'in' | 'out';
export type Value = 'bytes' | 'packets';
export type Unit = 'rate' | 'total';

/** A saved query, after decodeQuery has filled in what was not given. */
export interface WeirQuery extends DataQuery {
  version: number;
  queryType: QueryType;
  /** Names from the settings; empty means all of them. */
  servers: string[];
  /** "any", "eth0,eth1", "any,!lo" or "/regex/". */
  interfaces: string;
  /** Names from the catalog; what rows or series are grouped by. */
  attributes: string[];
  /** A text in the condition language; empty means every flow. */
  condition: string;
  /** Number of rows of a table, number of series of a graph. */
  limit: number;
  /** As seen by the capturing interface. */
  direction: Direction;
  value: Value;
  /** Of a time series: per second (bits or packets), or the sum of each bin. */
  unit: Unit;
  /** Adds the sum of what the limit cut off. */
  other: boolean;
}

export interface Server {
  name: string;
  url: string;
}

export interface WeirOptions extends DataSourceJsonData {
  servers?: Server[];
  timeoutSeconds?: number;
  tlsAuthWithCACert?: boolean;
  tlsAuth?: boolean;
  tlsSkipVerify?: boolean;
  /** Name to expect in the servers' certificates, if it is not the one in the URL. */
  serverName?: string;
}

/** Secrets: written by the browser, never read back. */
export interface WeirSecrets {
  token?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}

/** An attribute, label or counter, as servers describe it. */
export interface CatalogField {
  name: string;
  aliases?: string[];
  kind: string;
  type: string;
  title: string;
  description: string;
  /** It can be grouped by. */
  query: boolean;
  /** It can stand in a condition. */
  filter: boolean;
}

/** A name for several fields. */
export interface CatalogShorthand {
  name: string;
  fields: string[];
}

/** The answer of the resource "catalog": what all servers together offer. */
export interface Catalog {
  servers: Array<{ name: string; url: string; state: string; error?: string }>;
  interfaces: Array<{ name: string; servers: string[] }>;
  fields: CatalogField[];
  shorthands: CatalogShorthand[];
}

/** What is wrong with a condition, and where. */
export interface ConditionFault {
  message: string;
  /** In bytes of the UTF-8 text. */
  offset: number;
  length: number;
  expected?: string[];
  nearest?: string;
  /** The condition, a line with a caret under the fault, and the message; empty if the place is not known. */
  diagram: string;
}

/** The answer of the resource "validate". */
export interface ConditionCheck {
  valid: boolean;
  normalised?: string;
  error?: ConditionFault;
}
