import { QueryType, Unit, WeirQuery } from './types';

/** What the editor lets one choose, by the member of the query. */
export type Control = keyof WeirQuery;

export interface QueryTypeInfo {
  label: string;
  description: string;
  /** What the query reads as: "show <subject>". */
  subject: string;
  limit: number;
  attributes: string[];
  unit: Unit;
  units: Unit[];
  /** The controls of the sentence. */
  controls: Control[];
  /** The controls behind the fold. */
  options: Control[];
  /** The tables of the answer, if there are several; that of debug comes on top. */
  frames: string[];
}

const FLOWS = ['sip', 'dip', 'dport', 'proto'];
const WHERE: Control[] = ['servers', 'hosts', 'interfaces', 'condition'];

/** The kinds of questions, in the order of the editor. Defaults are those of pkg/plugin/query.go. */
export const QUERY_TYPES: Record<QueryType, QueryTypeInfo> = {
  table: {
    label: 'Table',
    description: 'the top flows, one row each',
    subject: 'flows',
    limit: 25,
    attributes: FLOWS,
    unit: 'total',
    units: ['total', 'average'],
    controls: ['value', 'direction', 'unit', ...WHERE, 'attributes', 'limit'],
    options: [
      'other',
      'compare',
      'sort',
      'ascending',
      'dedupe',
      'resolve',
      'enrich',
      'strict',
      'partial',
      'debug',
      'frame',
      'servers',
    ],
    frames: [],
  },
  timeseries: {
    label: 'Time series',
    description: 'the top flows as lines over time',
    subject: 'flows over time',
    limit: 10,
    attributes: FLOWS,
    unit: 'rate',
    units: ['rate', 'total'],
    controls: ['value', 'direction', 'unit', ...WHERE, 'attributes', 'limit'],
    options: [
      'mirror',
      'other',
      'compare',
      'resolution',
      'sort',
      'ascending',
      'dedupe',
      'resolve',
      'strict',
      'partial',
      'debug',
      'frame',
      'servers',
    ],
    frames: [],
  },
  actors: {
    label: 'Actors',
    description: 'what addresses of a list did, and where they were seen; or proof that they were not',
    subject: 'actors',
    limit: 100,
    attributes: [],
    unit: 'total',
    units: ['total'],
    controls: ['actors', ...WHERE, 'limit'],
    options: ['resolve', 'strict', 'debug', 'frame', 'servers'],
    frames: ['actors', 'answer'],
  },
  path: {
    label: 'Path',
    description: 'whether A and B talked, who saw it, when and how much',
    subject: 'path',
    limit: 1000,
    attributes: [],
    unit: 'total',
    units: ['total'],
    controls: ['a', 'b', ...WHERE, 'limit'],
    options: ['strict', 'debug', 'frame', 'servers'],
    frames: ['views', 'services', 'answer'],
  },
  asymmetry: {
    label: 'Asymmetry',
    description: 'pairs whose two directions took different ways',
    subject: 'asymmetric pairs',
    limit: 25,
    attributes: [],
    unit: 'total',
    units: ['total'],
    controls: [...WHERE, 'limit'],
    options: ['resolve', 'strict', 'debug', 'frame', 'servers'],
    frames: ['pairs', 'answer'],
  },
  nodegraph: {
    label: 'Node graph',
    description: 'who talks to whom, drawn',
    subject: 'node graph',
    limit: 50,
    attributes: ['sip', 'dip'],
    unit: 'total',
    units: ['total'],
    controls: ['value', 'direction', ...WHERE, 'attributes', 'limit'],
    options: ['sort', 'ascending', 'dedupe', 'resolve', 'enrich', 'strict', 'debug', 'frame', 'servers'],
    frames: [],
  },
  hosts: {
    label: 'Hosts',
    description: 'the hosts that capture: state, version, what their data cover',
    subject: 'hosts',
    limit: 1000,
    attributes: [],
    unit: 'total',
    units: ['total'],
    controls: [...WHERE],
    options: ['debug', 'frame', 'servers'],
    frames: [],
  },
  variable: {
    label: 'Variable',
    description: 'the values of a dashboard variable',
    subject: 'values of a variable',
    limit: 1000,
    attributes: [],
    unit: 'total',
    units: ['total'],
    controls: ['variable', 'label', ...WHERE],
    options: ['servers'],
    frames: [],
  },
  annotations: {
    label: 'Annotations',
    description: 'when flows were seen, as marks in graphs',
    subject: 'flows as annotations',
    limit: 100,
    attributes: FLOWS,
    unit: 'total',
    units: ['total'],
    controls: [...WHERE, 'attributes', 'limit'],
    options: ['resolution', 'dedupe', 'resolve', 'strict', 'servers'],
    frames: [],
  },
};

/** The types that one can choose in a panel. */
export const PANEL_TYPES: QueryType[] = ['table', 'timeseries', 'actors', 'path', 'asymmetry', 'nodegraph', 'hosts'];

/** What a query's type has; a type of a newer plugin is treated as a table. */
export function typeInfo({ queryType }: { queryType: QueryType }): QueryTypeInfo {
  return QUERY_TYPES[queryType] ?? QUERY_TYPES.table;
}

/** Whether the editor shows a control of the sentence for this query. */
export function hasControl(query: WeirQuery, control: Control): boolean {
  return typeInfo(query).controls.includes(control);
}
