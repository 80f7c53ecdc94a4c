import { changeQueryType, decodeQuery, DEFAULT_QUERY, displayText, isIncomplete, SavedQuery } from './query';
import cases from './testdata/query.json';

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
});

describe('changeQueryType', () => {
  it('takes the default limit of the new type along', () => {
    expect(changeQueryType(decodeQuery({ refId: 'A' }), 'timeseries')).toEqual({ queryType: 'timeseries', limit: 10 });
  });

  it('leaves a chosen limit alone', () => {
    expect(changeQueryType(decodeQuery({ refId: 'A', limit: 7 }), 'timeseries')).toEqual({ queryType: 'timeseries' });
  });
});

describe('isIncomplete', () => {
  it.each([
    ['table', ['sip'], false],
    ['table', [], true],
    ['timeseries', [], false],
  ] as const)('%s grouped by %j: %s', (queryType, attributes, incomplete) => {
    expect(isIncomplete(decodeQuery({ refId: 'A', queryType, attributes: [...attributes] }))).toBe(incomplete);
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
      { queryType: 'timeseries', attributes: [], servers: ['a', 'b'], condition: 'dport = 443' },
      'total by bytes over time on any at a,b where dport = 443',
    ],
  ])('%j', (saved, text) => {
    expect(displayText(decodeQuery({ refId: 'A', ...saved }))).toBe(text);
  });
});
