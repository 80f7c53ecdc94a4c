import { interpolateCondition, interpolateQuery, Replace } from './interpolation';
import { decodeQuery } from './query';

const VARIABLES: Record<string, string | string[]> = {
  ip: '192.0.2.1',
  ports: ['22', '80', '443'],
  one: ['22'],
  odd: ['br,0', 'eth*'],
  host: ['amsterdam', 'berlin'],
  cond: 'dport = 53 | proto = udp',
  company: ['acme', 'umbrella'],
  top: '50',
  lookup: 'true',
  empty: '',
  none: [],
};

// Like Grafana's: $name, ${name} and [[name]], unknown ones stay, ${name:csv} does not ask the format function.
const replace: Replace = (text, format) =>
  text.replace(/\$(\w+)|\$\{(\w+)(:csv)?\}|\[\[(\w+)\]\]/g, (match, plain, braced, csv, bracketed) => {
    const value = VARIABLES[plain ?? braced ?? bracketed];
    return value === undefined ? match : csv ? String(value) : format(value);
  });

describe('interpolateCondition', () => {
  it.each([
    ['sip = $ip', 'sip = 192.0.2.1'],
    ['dport = $ports', 'dport in (22, 80, 443)'],
    ['dport=${ports}', 'dport in (22, 80, 443)'],
    ['dport = [[ports]]', 'dport in (22, 80, 443)'],
    ['dport == $ports & sip = $ip', 'dport in (22, 80, 443) & sip = 192.0.2.1'],
    ['dport = $one', 'dport = 22'],
    ['dport != $ports', 'dport not in (22, 80, 443)'],
    ['dport!=$ports', 'dport not in (22, 80, 443)'],
    ['dport not in $ports', 'dport not in (22, 80, 443)'],
    ['(dport != $ports | sip = $ip)', '(dport not in (22, 80, 443) | sip = 192.0.2.1)'],
    ['!(dport=$ports)', '!(dport in (22, 80, 443))'],
    ['iface = $odd', 'iface in ("br,0", eth*)'],
    ['dport in ($ports)', 'dport in (22, 80, 443)'],
    ['dport in (${ports:csv})', 'dport in (22,80,443)'],
    ['dport in $one', 'dport in (22)'],
    ['$cond', 'dport = 53 | proto = udp'],
    ['sip = $ip & $cond', 'sip = 192.0.2.1 & (dport = 53 | proto = udp)'],
    ['$cond & sip = $ip', '(dport = 53 | proto = udp) & sip = 192.0.2.1'],
    ['sip = $ip & $empty', 'sip = 192.0.2.1'],
    ['sip = $ip and ($empty) & dport = $one', 'sip = 192.0.2.1 & dport = 22'],
    ['($empty) & sip = $ip', 'sip = 192.0.2.1'],
    ['$empty', ''],
    ['bytes >= $one', 'bytes >= 22'],
    ['sip = $nobody', 'sip = $nobody'],
    ['', ''],
  ])('%j', (condition, text) => {
    expect(interpolateCondition(condition, replace)).toBe(text);
  });
});

it.each(['dport = $none', 'dport != $empty', 'dport in ($none) & sip = $ip', 'dport in $empty'])(
  'names the variable without a value: %s',
  (condition) => {
    expect(() => interpolateCondition(condition, replace)).toThrow(/Variable \$(none|empty) has no value/);
  }
);

describe('hosts', () => {
  it.each([
    ['company=$company', 'company=acme|umbrella'],
    ['company!=$company,fra-*', 'company!=acme|umbrella,fra-*'],
    ['$host', 'amsterdam,berlin'],
    ['$host,company=$company', 'amsterdam,berlin,company=acme|umbrella'],
    ['company=$empty,$host', 'amsterdam,berlin'],
    ['company=$none', ''],
    ['', ''],
  ])('%s', (hosts, text) => {
    expect(interpolateQuery(decodeQuery({ refId: 'A', hosts }), replace).hosts).toBe(text);
  });
});

it('takes variables in the place of numbers and switches', () => {
  const saved = {
    refId: 'A',
    version: 2,
    limit: '$top',
    resolve: '$lookup',
    enrich: '$empty',
    a: '$ip',
    actors: '$host',
  };

  expect(interpolateQuery(decodeQuery(saved), replace)).toMatchObject({
    limit: 50,
    resolve: true,
    enrich: false,
    a: '192.0.2.1',
    actors: 'amsterdam,berlin',
  });
});

it('replaces variables in servers, interfaces and attributes, one item per value', () => {
  const query = decodeQuery({
    refId: 'A',
    servers: ['$host', 'fixed'],
    interfaces: '$host,!lo',
    attributes: ['sip', '${host}'],
    condition: 'host = $host',
  });

  expect(interpolateQuery(query, replace)).toEqual({
    ...query,
    servers: ['amsterdam', 'berlin', 'fixed'],
    interfaces: 'amsterdam,berlin,!lo',
    attributes: ['sip', 'amsterdam', 'berlin'],
    condition: 'host in (amsterdam, berlin)',
  });
});
