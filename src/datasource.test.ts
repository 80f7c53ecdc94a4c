import { DataSourceInstanceSettings, ScopedVars } from '@grafana/data';
import { setTemplateSrv, TemplateSrv } from '@grafana/runtime';

import { WeirDataSource } from './datasource';
import { SavedQuery } from './query';
import { WeirOptions } from './types';

function newSource(
  servers = [
    { name: 'a', url: 'http://a' },
    { name: '', url: 'http://b' },
  ]
): WeirDataSource {
  const source = new WeirDataSource({
    uid: 'weir',
    type: 'weirflow-weir-datasource',
    jsonData: { servers },
  } as unknown as DataSourceInstanceSettings<WeirOptions>);
  return source;
}

beforeEach(() => {
  setTemplateSrv({
    getVariables: () => [{ name: 'ports' }],
    replace: (text: string, scopedVars: ScopedVars, format: (value: string | string[]) => string) =>
      text.replace(/\$(\w+)/g, (match, name) => (scopedVars[name] ? format(scopedVars[name].value) : match)),
  } as unknown as TemplateSrv);
});

it('knows its servers by name', () => {
  expect(newSource().serverNames).toEqual(['a']);
});

it('starts with a query that shows something at once', () => {
  const source = newSource();

  expect(source.filterQuery({ refId: 'A', ...source.getDefaultQuery() })).toBe(true);
});

it.each<[string, SavedQuery, boolean]>([
  ['a saved query without members', { refId: 'A' }, true],
  ['a hidden query', { refId: 'A', hide: true }, false],
  ['a table without attributes', { refId: 'A', attributes: [] }, false],
  ['the total as a graph', { refId: 'A', queryType: 'timeseries', attributes: [] }, true],
])('sends %s: %#', (_, query, sent) => {
  expect(newSource().filterQuery(query)).toBe(sent);
});

it('sends a complete query with its variables replaced', () => {
  const scoped = { ports: { text: 'ports', value: ['22', '80'] } };

  expect(newSource().applyTemplateVariables({ refId: 'A', condition: 'dport = $ports' }, scoped)).toMatchObject({
    version: 1,
    queryType: 'table',
    limit: 25,
    condition: 'dport in (22, 80)',
  });
});

it('offers the dashboard variables', () => {
  expect(newSource().getVariableNames()).toEqual(['$ports']);
});

it('shows a query in one line', () => {
  expect(newSource().getQueryDisplayText({ refId: 'A', attributes: ['sip'] })).toBe('top 25 sip by bytes on any');
});

describe('checkCondition', () => {
  it('does not ask about an empty condition', async () => {
    const source = newSource();
    source.postResource = jest.fn();

    expect(await source.checkCondition('  ')).toEqual({ valid: true });
    expect(source.postResource).not.toHaveBeenCalled();
  });

  it('asks the backend, without an error message over the page', async () => {
    const source = newSource();
    source.postResource = jest.fn().mockResolvedValue({ valid: true, normalised: '(dport = 80)' });

    expect(await source.checkCondition('dport = 80')).toEqual({ valid: true, normalised: '(dport = 80)' });
    expect(source.postResource).toHaveBeenCalledWith(
      'validate',
      { condition: 'dport = 80' },
      { showErrorAlert: false }
    );
  });
});

it('asks for the catalog', async () => {
  const source = newSource();
  source.getResource = jest.fn().mockResolvedValue({ fields: [] });

  expect(await source.getCatalog()).toEqual({ fields: [] });
  expect(source.getResource).toHaveBeenCalledWith('catalog', undefined, { showErrorAlert: false });
});
