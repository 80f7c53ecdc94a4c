import { displayText } from './displayText';
import { changeQueryType, decodeQuery, DEFAULT_QUERY, lacks, SavedQuery } from './query';
import cases from './testdata/query.json';
import { QueryType, WeirQuery } from './types';

// The backend decodes the same cases in its tests.
describe('decodeQuery', () => {
  it.each(cases)('$description', ({ query, decoded }) => {
    expect(decodeQuery(query as SavedQuery)).toMatchObject(decoded);
  });

  it('keeps what it does not know and leaves the argument alone', () => {
    const saved = Object.freeze({ refId: 'A', key: 'Q-1', condition: undefined, later: 1 }) as SavedQuery;

    expect(decodeQuery(saved)).toEqual({ ...DEFAULT_QUERY, refId: 'A', key: 'Q-1', later: 1 });
  });

  it('does not claim the present version for a query of a newer plugin', () => {
    expect(decodeQuery({ refId: 'A', version: 7 }).version).toBe(7);
  });

  it('decodes what it has decoded to the same', () => {
    for (const { query } of cases) {
      const once = decodeQuery(query as SavedQuery);
      expect(decodeQuery(once)).toEqual(once);
    }
  });
});

describe('changeQueryType', () => {
  it('takes what nobody touched along', () => {
    expect(changeQueryType(decodeQuery({ refId: 'A' }), 'nodegraph')).toMatchObject({
      queryType: 'nodegraph',
      limit: 50,
      attributes: ['sip', 'dip'],
      unit: 'total',
    });
  });

  it('draws a node graph between two attributes, whatever was grouped by', () => {
    const query = decodeQuery({ refId: 'A', version: 2, attributes: ['host'] });

    expect(changeQueryType(query, 'nodegraph')).toMatchObject({ attributes: ['sip', 'dip'] });
    expect(changeQueryType({ ...query, attributes: ['host', 'dip'] }, 'nodegraph')).not.toHaveProperty('attributes');
  });

  it('leaves alone what was chosen', () => {
    const query = decodeQuery({ refId: 'A', version: 2, limit: 7, attributes: ['dport'], unit: 'average' });

    expect({ ...query, ...changeQueryType(query, 'timeseries') }).toEqual({
      ...query,
      queryType: 'timeseries',
      unit: 'rate',
    });
    expect(changeQueryType({ ...query, queryType: 'timeseries', unit: 'total' }, 'table')).not.toHaveProperty('unit');
  });

  it('leaves nothing behind that the new type does not offer', () => {
    const query = decodeQuery({
      refId: 'A',
      version: 2,
      queryType: 'timeseries',
      resolution: '5m',
      mirror: true,
      compare: '1d',
    });

    expect({ ...query, ...changeQueryType(query, 'table') }).toMatchObject({
      resolution: '',
      mirror: false,
      compare: '1d',
    });
  });

  it('brings back where it started', () => {
    const start = decodeQuery({ refId: 'A' });
    for (const type of ['timeseries', 'actors', 'path', 'asymmetry', 'nodegraph', 'hosts'] as QueryType[]) {
      const there = { ...start, ...changeQueryType(start, type) };
      expect({ ...there, ...changeQueryType(there, 'table') }).toEqual(start);
    }
  });
});

describe('lacks', () => {
  it.each<[string, Partial<WeirQuery>, RegExp | undefined]>([
    ['a table', { attributes: ['sip'] }, undefined],
    ['a table of nothing', { attributes: [] }, /at least one attribute/],
    ['the total as a graph', { queryType: 'timeseries', attributes: [] }, undefined],
    ['a path with one end', { queryType: 'path', a: '192.0.2.1' }, /two ends/],
    ['a path', { queryType: 'path', a: '192.0.2.1', b: '$b' }, undefined],
    ['actors without any', { queryType: 'actors', actors: ' ' }, /list/],
    ['actors', { queryType: 'actors', actors: '@bad' }, undefined],
    ['a node graph of points', { queryType: 'nodegraph', attributes: ['sip'] }, /two attributes/],
    ['hosts', { queryType: 'hosts' }, undefined],
    ['values of no label', { queryType: 'variable', variable: 'labelValues' }, /label/],
    ['values of a label', { queryType: 'variable', variable: 'labelValues', label: 'company' }, undefined],
    ['values of no attribute', { queryType: 'variable', variable: 'values' }, /attribute/],
  ])('%s: %j', (_, saved, missing) => {
    const said = lacks(decodeQuery({ refId: 'A', ...saved }));
    return missing ? expect(said).toMatch(missing) : expect(said).toBeUndefined();
  });
});

describe('displayText', () => {
  it.each<[Partial<SavedQuery>, string]>([
    [{}, 'top 25 sip,dip,dport,proto by bytes on any'],
    [
      { queryType: 'timeseries', attributes: ['dport'], direction: 'in', value: 'packets', interfaces: 'eth0' },
      'top 10 dport by packets in over time on eth0',
    ],
    [
      { queryType: 'timeseries', attributes: [], servers: ['a', 'b'], condition: 'dport = 443', compare: '1w' },
      'total by bytes over time on any at a,b where dport = 443 compared to 1w earlier',
    ],
    [{ ascending: true, hosts: 'fra-*', attributes: ['sip'] }, 'lowest 25 sip by bytes on any of hosts fra-*'],
    [{ queryType: 'path', a: '192.0.2.1', b: '@web' }, 'path 192.0.2.1 ↔ @web on any'],
    [{ queryType: 'actors', actors: '192.0.2.1\n192.0.2.2' }, 'actors 192.0.2.1 192.0.2.2 on any'],
    [{ queryType: 'asymmetry' }, 'top 25 asymmetric pairs on any'],
    [{ queryType: 'nodegraph' }, 'node graph of the top 50 sip,dip by bytes on any'],
    [{ queryType: 'hosts', hosts: 'company=acme' }, 'state of hosts on any of hosts company=acme'],
    [{ queryType: 'variable', variable: 'labelValues', label: 'company' }, 'values of label company on any'],
    [{ queryType: 'variable', variable: 'lists' }, 'lists on any'],
  ])('%j', (saved, text) => {
    expect(displayText(decodeQuery({ refId: 'A', ...saved }))).toBe(text);
  });
});
