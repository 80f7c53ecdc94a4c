import { DataSourceJsonData } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

/*
 * What crosses the border between the front end and the backend. pkg/plugin/query.go and pkg/plugin/settings.go
 * mirror the query and the settings; both sides decode src/testdata/query.json in their tests.
 */

export type QueryType =
  'table' | 'timeseries' | 'actors' | 'path' | 'asymmetry' | 'nodegraph' | 'hosts' | 'variable' | 'annotations';
export type Direction = 'both' | 'in' | 'out';
export type Value = 'bytes' | 'packets';
/** Per second (bits or packets), the sum, or per second over the whole range. */
export type Unit = 'rate' | 'total' | 'average';
export type Sort = '' | 'bytes' | 'packets' | 'time';
/** How flows that several hosts saw are joined: '' leaves it to the servers. */
export type Dedupe = '' | 'sum' | 'max';
export type VariableKind =
  'hosts' | 'interfaces' | 'attributes' | 'labels' | 'labelValues' | 'values' | 'lists' | 'servers';

/** A saved query, after decodeQuery has filled in what was not given. */
export interface WeirQuery extends DataQuery {
  version: number;
  queryType: QueryType;
  /** Names from the settings; empty means all of them. */
  servers: string[];
  /** Names, globs, @groups and label terms ("fra-*,company=acme"); empty means all hosts. */
  hosts: string;
  /** "any", "eth0,eth1", "any,!lo" or "/regex/". */
  interfaces: string;
  /** Names from the catalog; what rows or series are grouped by. */
  attributes: string[];
  /** A text in the condition language; empty means every flow. */
  condition: string;
  /** Number of rows of a table, number of series of a graph; a dashboard may put a variable in its place. */
  limit: number | string;
  /** As seen by the capturing interface. */
  direction: Direction;
  value: Value;
  unit: Unit;
  /** What the top is chosen by; empty: the value. */
  sort: Sort;
  /** The smallest first. */
  ascending: boolean;
  /** Width of a time bin ("5m"); empty: as wide as the panel needs. */
  resolution: string;
  /** Adds the sum of what the limit cut off. */
  other: boolean;
  /** Shows the same span this much earlier beside it ("1d"); empty: nothing. */
  compare: string;
  /** Received and sent as two series, sent below the axis. */
  mirror: boolean;
  /** Names of addresses, looked up by the backend; a dashboard may put a variable in the place of this switch. */
  resolve: boolean | string;
  /** Country and network of addresses, asked of the servers. */
  enrich: boolean | string;
  /** Shows what is there while hosts are still answering. */
  partial: boolean;
  /** A missing host is an error. */
  strict: boolean;
  /** Adds a frame with what each host did. */
  debug: boolean;
  /** The one table to show of an answer of several; empty: all of them. */
  frame: string;
  dedupe: Dedupe;
  /** The two ends of a path: addresses, networks, lists or host names. */
  a: string;
  b: string;
  /** Name of an address list, or addresses separated by blanks, commas or newlines. */
  actors: string;
  /** What a variable query lists. */
  variable: '' | VariableKind;
  /** The label whose values a variable query lists. */
  label: string;
}

export interface Server {
  name: string;
  url: string;
}

/** Where the data come from: probes by their addresses, a gateway, a list of them behind a URL, or NATS. */
export type SourceKind = 'servers' | 'gateway' | 'discovery' | 'nats';

export interface WeirOptions extends DataSourceJsonData {
  kind?: SourceKind;
  servers?: Server[];
  /** Where Prometheus' HTTP discovery answers with the probes. */
  discoveryUrl?: string;
  natsUrl?: string;
  natsSite?: string;
  timeoutSeconds?: number;
  /** Requests at once to one host, of all panels together. */
  concurrency?: number;
  cacheMegabytes?: number;
  /** Addresses may be looked up in the DNS. */
  lookup?: boolean;
  /** Name server to ask; empty: the system's. */
  lookupServer?: string;
  /** A missing host is an error in every query, not only where the query says so. */
  strict?: boolean;
  tlsAuthWithCACert?: boolean;
  tlsAuth?: boolean;
  tlsSkipVerify?: boolean;
  /** Name to expect in the servers' certificates, if it is not the one in the URL. */
  serverName?: string;
}

/** Secrets: written by the browser, never read back. */
export interface WeirSecrets {
  token?: string;
  natsCredentials?: string;
  natsToken?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
}

/**
 * Headers to send, by Grafana's own convention: the names are settings beside WeirOptions, the values secrets beside
 * WeirSecrets, with the same numbers.
 */
export type HeaderNames = Record<`httpHeaderName${number}`, string | undefined>;
export type HeaderSecret = `httpHeaderValue${number}`;

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

/** A host that captures, as the servers know it. */
export interface CatalogHost {
  name: string;
  id?: string;
  labels?: Record<string, string>;
  groups?: string[];
  state?: string;
  interfaces?: string[];
  error?: string;
}

/** A list of addresses that conditions call @name. */
export interface CatalogList {
  name: string;
  entries?: number;
  error?: string;
}

/** The answer of the resource "catalog": what all servers together offer. */
export interface Catalog {
  servers: Array<{ name: string; url: string; state: string; error?: string }>;
  interfaces: Array<{ name: string; servers: string[] }>;
  fields: CatalogField[];
  shorthands: CatalogShorthand[];
  hosts?: CatalogHost[];
  lists?: CatalogList[];
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

/** One way to go on at the cursor; offset and length count bytes of the UTF-8 text. */
export interface Completion {
  text: string;
  offset: number;
  length: number;
  kind: 'attribute' | 'operator' | 'value' | 'connective';
  description?: string;
}
