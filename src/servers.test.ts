import { serverFault } from './servers';

const good = { name: 'a', url: 'https://a.example:8145' };

it.each([
  ['nothing entered yet', { name: '', url: '' }, undefined],
  ['complete', good, undefined],
  ['IPv6', { name: 'b', url: 'http://[::1]:8145' }, undefined],
  ['no name', { name: ' ', url: 'https://b.example' }, 'The server needs a name.'],
  ['a name that selects', { name: 'fra-*', url: 'https://b.example' }, expect.stringContaining('selection of hosts')],
  ['a name for all', { name: 'any', url: 'https://b.example' }, expect.stringContaining('selection of hosts')],
  ['no URL', { name: 'b', url: '' }, 'The URL must look like https://host:8145.'],
  ['no scheme', { name: 'b', url: 'host:8145' }, 'The URL must look like https://host:8145.'],
  ['a socket', { name: 'b', url: 'unix:///run/weir/probe.sock' }, 'The URL must look like https://host:8145.'],
  ['the same name twice', { name: 'a', url: 'https://b.example' }, 'Two servers are called a.'],
])('%s', (_, server, fault) => {
  expect(
    serverFault(
      server,
      [good, server].filter((s, i, all) => all.indexOf(s) === i)
    )
  ).toEqual(fault);
});
