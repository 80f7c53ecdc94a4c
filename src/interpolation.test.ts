import { interpolateCondition, interpolateQuery, Replace } from './interpolation';
import { decodeQuery } from './query';

const VARIABLES: Record<string, string | string[]> = {
  ip: '192.0.2.1',
  ports: ['22', '80', '443'],
  one: ['22'],
  odd: ['br,0', 'eth*'],
  host: ['amsterdam', 'berlin'],
  cond: 'dport = 53 & proto = udp',
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
    ['sip = $ip & $cond', 'sip = 192.0.2.1 & dport = 53 & proto = udp'],
    ['bytes >= $one', 'bytes >= 22'],
    ['sip = $nobody', 'sip = $nobody'],
    ['', ''],
  ])('%j', (condition, text) => {
    expect(interpolateCondition(condition, replace)).toBe(text);
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
