import { lastValueFrom, of } from 'rxjs';
import { DataQueryRequest, DataSourceInstanceSettings, ScopedVars } from '@grafana/data';
import { DataSourceWithBackend, setTemplateSrv, TemplateSrv } from '@grafana/runtime';

import { WeirDataSource } from './datasource';
import { SavedQuery } from './query';
import { WeirOptions, WeirQuery } from './types';

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
    version: 2,
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

it('narrows by the dashboard’s filters', () => {
  const filters = [{ key: 'host', operator: '=|', value: 'a', values: ['a', 'b'] }];

  expect(newSource().applyTemplateVariables({ refId: 'A', condition: 'dport = 80' }, {}, filters).condition).toBe(
    'dport = 80 & hostname in (a, b)'
  );
});

it('marks times by queries of their own type', () => {
  expect(newSource().annotations.getDefaultQuery?.()).toMatchObject({ queryType: 'annotations' });
});

describe('query', () => {
  const request = (changes: Partial<DataQueryRequest<WeirQuery>>) =>
    ({ targets: [{ refId: 'A' }], scopedVars: {}, app: 'dashboard', ...changes }) as DataQueryRequest<WeirQuery>;

  it('asks the backend for what is complete, prepared', async () => {
    const plain = jest.spyOn(DataSourceWithBackend.prototype, 'query').mockReturnValue(of({ data: [] }));
    const targets: SavedQuery[] = [
      { refId: 'A', condition: 'dport = $ports' },
      { refId: 'B', attributes: [] },
      { refId: 'C' },
    ];
    const scopedVars = { ports: { text: '', value: ['1', '2'] } };
    const filters = [{ key: 'proto', operator: '=', value: 'tcp' }];

    await lastValueFrom(newSource().query(request({ targets: targets as WeirQuery[], scopedVars, filters })));

    const asked = plain.mock.lastCall![0];
    expect(asked.targets.map(({ refId }) => refId)).toEqual(['A', 'C']);
    expect(asked.targets[0]).toMatchObject({ condition: 'dport in (1, 2) & proto = tcp' });
    expect(asked.filters).toEqual([]);
    plain.mockRestore();
  });

  it('says which filter cannot be applied', async () => {
    const filters = [{ key: 'share', operator: '=', value: '1' }];

    await expect(lastValueFrom(newSource().query(request({ filters })))).rejects.toThrow(/filter on "share"/);
  });
});

it('offers filters on what conditions can compare, and on labels', async () => {
  const source = newSource();
  const field = (name: string, kind = 'attribute') => ({ name, kind, title: name.toUpperCase() });
  const fields = [field('time', 'label'), field('host', 'label'), field('sip'), field('bytes_sent', 'counter')];
  source.getResource = jest.fn().mockResolvedValue({ fields, hosts: [{ name: 'a', labels: { company: 'acme' } }] });

  expect((await source.getTagKeys()).map(({ value }) => value)).toEqual(['host', 'sip', 'address', 'label.company']);
});

it('asks for the values of a filter, of what can be filtered', async () => {
  const source = newSource();
  source.postResource = jest.fn().mockResolvedValue([{ text: '443' }]);

  expect(await source.getTagValues({ key: 'dport' })).toEqual([{ text: '443' }]);
  expect(await source.getTagValues({ key: 'share' })).toEqual([]);
  expect(source.postResource).toHaveBeenCalledTimes(1);
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
