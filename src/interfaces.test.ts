import { joinInterfaces, splitInterfaces } from './interfaces';

describe('splitInterfaces', () => {
  it.each([
    ['any', ['any']],
    ['eth0, eth1', ['eth0', 'eth1']],
    ['any,!lo', ['any', '!lo']],
    ['/^eth[0,1]$/', ['/^eth[0,1]$/']],
    ['', []],
  ])('%j', (selection, parts) => {
    expect(splitInterfaces(selection)).toEqual(parts);
  });
});

describe('joinInterfaces', () => {
  it.each([
    ['a name replaces any', ['any'], ['any', 'eth0'], 'eth0'],
    ['a name replaces any but not the exclusions', ['any', '!lo'], ['any', '!lo', 'eth0'], '!lo,eth0'],
    ['any replaces names', ['eth0', 'eth1'], ['eth0', 'eth1', 'any'], 'any'],
    ['an exclusion joins any', ['any'], ['any', '!lo'], 'any,!lo'],
    ['names add up', ['eth0'], ['eth0', 'eth1'], 'eth0,eth1'],
    ['a regular expression stands alone', ['eth0', '!lo'], ['eth0', '!lo', '/x/'], '/x/'],
    ['a name replaces a regular expression', ['/x/'], ['/x/', 'eth0'], 'eth0'],
    ['a variable is a name', ['any'], ['any', '$iface'], '$iface'],
    ['removing one', ['eth0', 'eth1'], ['eth1'], 'eth1'],
    ['removing the last leaves any', ['eth0'], [], 'any'],
  ])('%s', (_, before, after, selection) => {
    expect(joinInterfaces(before, after)).toBe(selection);
  });
});
