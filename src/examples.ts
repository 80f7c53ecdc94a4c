import { defaultQuery } from './query';
import { QueryType, WeirQuery } from './types';

/** A question in people's words, and the query that answers it. */
export interface Example {
  question: string;
  answer: string;
  query: Omit<WeirQuery, 'refId'>;
}

function example(question: string, answer: string, queryType: QueryType, changes: Partial<WeirQuery>): Example {
  return { question, answer, query: { ...defaultQuery(queryType), ...changes } };
}

/** The questions that Weir is for. */
export const EXAMPLES: Example[] = [
  example(
    'Did A access B? Who saw it, when, how much?',
    'Path: the two directions with attempts and outcomes at every host and interface, or the proof that there was nothing.',
    'path',
    { a: '192.0.2.10', b: '198.51.100.0/24' }
  ),
  example('Who uses the most bandwidth?', 'Table of flows, the largest first.', 'table', {
    attributes: ['sip', 'dip', 'dport', 'proto'],
    limit: 10,
  }),
  example(
    'What did these addresses do, and were they let in?',
    'Actors: where each was seen, what was accepted, rejected or left unanswered.',
    'actors',
    { actors: '203.0.113.7, 198.51.100.0/28' }
  ),
  example(
    'Which connections take one way there and another back?',
    'Asymmetry: pairs whose halves were carried by different hosts or interfaces.',
    'asymmetry',
    {}
  ),
  example(
    'What was that peak?',
    'Time series by service: narrow the time range to the peak, then group by more.',
    'timeseries',
    {
      attributes: ['dport', 'proto'],
      other: true,
    }
  ),
  example('Who talks to whom?', 'Node graph of conversations.', 'nodegraph', { attributes: ['sip', 'dip'] }),
];

/** Conditions, from simple to not so simple. */
export const CONDITIONS: Array<{ condition: string; meaning: string }> = [
  { condition: 'dport = 443 & proto = tcp', meaning: 'HTTPS' },
  { condition: 'host = 192.0.2.10', meaning: 'to or from an address' },
  { condition: 'snet = 10.0.0.0/8 & !(dnet = 10.0.0.0/8)', meaning: 'out of a network' },
  { condition: 'dport in (22, 3389, 5900-5999)', meaning: 'any of a list of ports and ranges' },
  { condition: 'verdict = rejected & sip is public', meaning: 'refused attempts from the Internet' },
  { condition: 'hostname = fra-* & iface != lo', meaning: 'seen by certain hosts, not on loopback' },
  { condition: 'sip in @scanners', meaning: 'from a list that the servers know' },
  { condition: 'dport = $port', meaning: 'a dashboard variable, with one value or several' },
];
