import { readFileSync } from 'fs';
import { join } from 'path';

import { CONDITION_ATTRIBUTES, conditionAttribute } from './attributes';

// The reference of the language is written by the parser's own tests.
function documented(): string[] {
  const reference = readFileSync(join(__dirname, '../docs/FILTER.md'), 'utf8');
  const table = reference.slice(reference.indexOf('| attribute | also |'), reference.indexOf('## Logic'));
  return table
    .split('\n')
    .slice(2)
    .flatMap((row) => row.split('|').slice(1, 3))
    .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
    .filter((name) => name !== 'label.KEY');
}

it('knows the attributes of the condition language', () => {
  expect(documented()).toContain('sip');
  expect([...CONDITION_ATTRIBUTES].sort()).toEqual(documented().sort());
});

it.each([
  ['sip', 'sip'],
  ['sip/24', 'sip'],
  ['host', 'hostname'],
  ['address', 'host'],
  ['label.company', 'label.company'],
  ['time', undefined],
  ['share', undefined],
  ['toString', undefined],
])('a column %s is compared as %s', (column, attribute) => {
  expect(conditionAttribute(column)).toBe(attribute);
});
