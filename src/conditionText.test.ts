import { AdHocVariableFilter } from '@grafana/data';

import { addTerm, filterTerm, quote, withFilters } from './conditionText';
import { modifyQuery } from './modifyQuery';
import { decodeQuery } from './query';

it.each([
  ['443', '443'],
  ['fe80::1', 'fe80::1'],
  ['10.0.0.0/8', '10.0.0.0/8'],
  ['eth*', 'eth*'],
  ['br,0', '"br,0"'],
  ['a "b"', '"a \\"b\\""'],
  ['', '""'],
])('quotes %j as %s', (value, text) => {
  expect(quote(value)).toBe(text);
});

describe('addTerm', () => {
  it.each([
    ['', 'dport = 80', 'dport = 80'],
    ['sip = 192.0.2.1', 'dport = 80', 'sip = 192.0.2.1 & dport = 80'],
    ['dport = 22 | dport = 80', 'sip = 192.0.2.1', '(dport = 22 | dport = 80) & sip = 192.0.2.1'],
    ['dport = 22 or dport = 80', 'sip = 192.0.2.1', '(dport = 22 or dport = 80) & sip = 192.0.2.1'],
    ['dport = 80', 'dport = 80', 'dport = 80'],
    ['sip = 192.0.2.1 & dport = 80', 'dport = 80', 'sip = 192.0.2.1 & dport = 80'],
  ])('%j and %j', (condition, term, both) => {
    expect(addTerm(condition, term)).toBe(both);
  });
});

describe('filterTerm', () => {
  const filter = (key: string, operator: string, value: string, values?: string[]): AdHocVariableFilter => ({
    key,
    operator,
    value,
    values,
  });

  it.each([
    [filter('dport', '=', '443'), 'dport = 443'],
    [filter('sip/24', '!=', '192.0.2.0/24'), 'sip != 192.0.2.0/24'],
    [filter('host', '=', 'fra 1'), 'hostname = "fra 1"'],
    [filter('address', '=', '192.0.2.1'), 'host = 192.0.2.1'],
    [filter('label.company', '=', 'acme'), 'label.company = acme'],
    [filter('dport', '>=', '1024'), 'dport >= 1024'],
    // The value of one-of operators is only the first.
    [filter('sip', '=|', '192.0.2.1', ['192.0.2.1', '192.0.2.2']), 'sip in (192.0.2.1, 192.0.2.2)'],
    [filter('iface', '!=|', 'lo', ['lo', 'br,0']), 'iface not in (lo, "br,0")'],
  ])('%j', (given, term) => {
    expect(filterTerm(given)).toBe(term);
  });

  it.each([
    [filter('sharee', '=', '1'), /filter on "sharee" cannot be applied/],
    [filter('dport', '=~', '4.*'), /"dport =~ 4\.\*" cannot be applied/],
  ])('refuses %j by name', (given, message) => {
    expect(() => filterTerm(given)).toThrow(message);
  });

  it('narrows by all of them, but not by one that is being entered', () => {
    const filters = [
      filter('dport', '=', '80'),
      filter('', '=', ''),
      filter('sip', '=', ''),
      filter('proto', '=', 'tcp'),
    ];

    expect(withFilters('dport = 80', filters)).toBe('dport = 80 & proto = tcp');
  });
});

describe('modifyQuery', () => {
  const query = decodeQuery({ refId: 'A', condition: 'proto = tcp' });

  it.each([
    ['ADD_FILTER', 'proto = tcp & dport = 443'],
    ['ADD_FILTER_OUT', 'proto = tcp & dport != 443'],
    ['SOMETHING_ELSE', 'proto = tcp'],
  ])('%s', (type, condition) => {
    expect(modifyQuery(query, { type, options: { key: 'dport', value: '443' } })).toEqual({ ...query, condition });
  });
});
