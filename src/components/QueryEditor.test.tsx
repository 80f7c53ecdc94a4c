import { act, render, screen, waitFor, within } from '@testing-library/react';
import React, { useState } from 'react';

import { WeirDataSource } from '../datasource';
import { SavedQuery } from '../query';
import { Catalog, ConditionCheck, WeirQuery } from '../types';
import { newUser, User } from '../testing';
import { QueryEditor } from './QueryEditor';

// The code editor does not load here: the plain input stays.
jest.mock('@grafana/ui', () => ({ ...jest.requireActual('@grafana/ui'), CodeEditor: () => null }));

const field = (name: string, type = 'string', query = true) => ({
  name,
  type,
  kind: 'attribute',
  title: name.toUpperCase(),
  description: `about ${name}`,
  query,
  filter: true,
});

// Names that no release has: the editor must take them from here.
const catalog: Catalog = {
  servers: [{ name: 'amsterdam', url: 'http://a', state: 'ok' }],
  interfaces: [{ name: 'wan7', servers: ['amsterdam'] }],
  fields: [field('colour'), field('shape'), field('moment', 'time'), field('weight', 'count', false)],
  shorthands: [
    { name: 'looks', fields: ['colour', 'shape'] },
    { name: 'all', fields: ['moment', 'colour', 'shape'] },
  ],
  hosts: [
    { name: 'fra-1', labels: { company: 'acme', site: 'fra' }, groups: ['edge'], state: 'ok' },
    { name: 'ams-1', labels: { company: 'umbrella' } },
  ],
  lists: [{ name: 'scanners' }],
};

const fault = { message: 'unknown attribute', offset: 0, length: 5, diagram: 'dprot = 1\n^\nunknown attribute' };

function setUp(saved: Partial<SavedQuery> = {}, overNats = false) {
  const source = {
    serverNames: ['amsterdam', 'berlin'],
    overNats,
    getVariableNames: () => ['$site', '$company'],
    complete: async () => [],
    getCommand: jest.fn(async (query: WeirQuery) => `weir query ${query.attributes}`),
    getCatalog: jest.fn().mockResolvedValue(catalog),
    checkCondition: jest.fn(async (text: string): Promise<ConditionCheck> =>
      text.startsWith('dprot') ? { valid: false, error: fault } : { valid: true }
    ),
  };
  const onChange = jest.fn<void, [WeirQuery]>();
  const onRunQuery = jest.fn();
  function Panel() {
    const [query, setQuery] = useState({ refId: 'A', ...saved } as WeirQuery);
    return (
      <QueryEditor
        datasource={source as unknown as WeirDataSource}
        query={query}
        onRunQuery={onRunQuery}
        onChange={(next) => {
          onChange(next);
          setQuery(next);
        }}
      />
    );
  }
  return { source, onChange, onRunQuery, user: newUser(), panel: <Panel /> };
}

async function show(saved: Partial<SavedQuery> = {}, overNats = false) {
  const test = setUp(saved, overNats);
  render(test.panel);
  await act(async () => {});
  return test;
}

const condition = () => screen.getByLabelText(/Where/);

describe('QueryEditor', () => {
  it('changes nothing and runs nothing by being shown', async () => {
    const { onChange, onRunQuery } = await show({ condition: 'colour = red' });

    await waitFor(() => expect(condition()).toHaveValue('colour = red'));
    expect(onChange).not.toHaveBeenCalled();
    expect(onRunQuery).not.toHaveBeenCalled();
  });

  it.each<[string, string, Partial<WeirQuery>]>([
    ['by', 'Packets', { value: 'packets' }],
    ['direction', 'In', { direction: 'in' }],
    ['as', 'Average', { unit: 'average' }],
  ])('runs when %s becomes %s', async (group, choice, changes) => {
    const { onChange, onRunQuery, user } = await show();

    await user.click(within(screen.getByRole('radiogroup', { name: group })).getByLabelText(choice));

    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ refId: 'A', version: 2, ...changes }));
    expect(onRunQuery).toHaveBeenCalledTimes(1);
  });

  const choose = async (user: User, label: string | RegExp, option: string | RegExp) => {
    await user.click(screen.getByLabelText(label));
    await user.click(await screen.findByRole('option', { name: option }));
  };

  it('becomes another type, with that type’s defaults', async () => {
    const { onChange, onRunQuery, user } = await show();

    await choose(user, 'Show', /Time series/);

    const changes = { queryType: 'timeseries', limit: 10, unit: 'rate' };
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining(changes));
    expect(onRunQuery).toHaveBeenCalledTimes(1);
  });

  it.each<[Partial<WeirQuery>, string[], string[]]>([
    [{ queryType: 'table' }, ['Grouped by', 'interfaces', 'Top', 'by', 'as'], ['from', 'of list or addresses']],
    [{ queryType: 'path' }, ['from', 'to', 'Where', 'Top'], ['Grouped by', 'by', 'as']],
    [{ queryType: 'actors' }, ['of list or addresses', 'Where'], ['Grouped by', 'from', 'by']],
    [{ queryType: 'asymmetry' }, ['Where', 'Top'], ['Grouped by', 'by', 'direction', 'as']],
    [{ queryType: 'nodegraph' }, ['Grouped by', 'by', 'direction'], ['as']],
    [{ queryType: 'hosts' }, ['on hosts', 'Where'], ['Grouped by', 'Top', 'by']],
  ])('%j shows its own controls only', async (saved, shown, hidden) => {
    await show(saved);

    expect(shown.filter((label) => screen.queryByText(label) === null)).toEqual([]);
    expect(hidden.filter((label) => screen.queryByText(label) !== null)).toEqual([]);
  });

  it('does not run a path before it has both ends', async () => {
    const { onChange, onRunQuery, user } = await show({ queryType: 'path' });

    await user.type(screen.getByLabelText('from'), '192.0.2.1{Enter}');
    await act(async () => {});
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ a: '192.0.2.1' }));
    expect(onRunQuery).not.toHaveBeenCalled();

    await user.type(screen.getByLabelText('to'), '@web');
    await user.tab();
    await waitFor(() => expect(onRunQuery).toHaveBeenCalledTimes(1));
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ a: '192.0.2.1', b: '@web' }));
  });

  it('takes actors as pasted, when the field is left', async () => {
    const { onChange, user } = await show({ queryType: 'actors' });

    await user.click(screen.getByLabelText('of list or addresses'));
    await user.paste('192.0.2.1\n192.0.2.2\n');
    expect(onChange).not.toHaveBeenCalled();
    await user.tab();

    expect(onChange).toHaveBeenCalledTimes(1);
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ actors: '192.0.2.1\n192.0.2.2' }));
  });

  describe('options', () => {
    const unfold = (user: User) => user.click(screen.getByRole('button', { name: /Options/ }));

    it('are folded, and say what is set in there', async () => {
      await show({ other: true, compare: '1d' });

      expect(screen.queryByLabelText('and the rest')).not.toBeInTheDocument();
      expect(screen.getByRole('button', { name: /Options/ })).toHaveTextContent('and the rest, compare 1d');
    });

    it('switch', async () => {
      const { onChange, onRunQuery, user } = await show();
      await unfold(user);
      const switches = {
        'and the rest': 'other',
        'lowest first': 'ascending',
        'reverse lookup': 'resolve',
        'country and network': 'enrich',
        'show partial': 'partial',
        strict: 'strict',
        debug: 'debug',
      };

      for (const [label, member] of Object.entries(switches)) {
        await user.click(screen.getByLabelText(label));
        expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ [member]: true }));
      }
      await waitFor(() => expect(onRunQuery).toHaveBeenCalledTimes(7));
    });

    it.each<[string, string | RegExp, Partial<WeirQuery>]>([
      ['chosen by', 'packets', { sort: 'packets' }],
      ['same flow at several hosts', /largest/, { dedupe: 'max' }],
      ['servers', 'berlin', { servers: ['berlin'] }],
    ])('%s %s', async (label, option, changes) => {
      const { onChange, user } = await show();
      await unfold(user);

      await choose(user, label, option);

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining(changes));
    });

    it('take durations, and nothing that is none', async () => {
      const { onChange, user } = await show({ queryType: 'timeseries' });
      await unfold(user);

      await user.type(screen.getByLabelText('compared to'), 'yesterday{Enter}');
      expect(onChange).not.toHaveBeenCalled();
      await user.type(screen.getByLabelText('bins of'), '5m{Enter}');

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ resolution: '5m', compare: '' }));
    });
  });

  it('shows the command line, as it was executed or would be', async () => {
    const { source } = await show({ attributes: ['colour'] });
    expect(await screen.findByTestId('command-line')).toHaveTextContent('weir query colour');
    expect(source.getCommand).toHaveBeenCalledTimes(1);
  });

  it.each([true, false])('says whether the command line reaches the hosts: over NATS %s', async (overNats) => {
    await show({}, overNats);
    expect(screen.queryAllByText(/answer over NATS.*address of a gateway/)).toHaveLength(overNats ? 1 : 0);
  });

  describe('hosts and interfaces', () => {
    it('offers hosts, groups, labels and variables', async () => {
      const { onChange, user } = await show();

      await user.type(screen.getByLabelText('on hosts'), 'company=$');
      await user.click(await screen.findByRole('option', { name: /hosts whose company is chosen/ }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ hosts: 'company=$company' }));
    });

    it('takes globs as typed, beside what is there', async () => {
      const { onChange, user } = await show({ hosts: 'company=acme' });

      await user.type(screen.getByLabelText('on hosts'), 'fra-*');
      await user.click(await screen.findByRole('option', { name: /fra-\*/ }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ hosts: 'company=acme,fra-*' }));
    });

    it('offers the interfaces of the servers', async () => {
      const { onChange, user } = await show();

      await user.click(screen.getByLabelText(/interfaces/));
      await user.click(await screen.findByRole('option', { name: 'wan7' }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ interfaces: 'wan7' }));
    });

    it('takes an exclusion as typed', async () => {
      const { onChange, user } = await show();

      await user.type(screen.getByLabelText(/interfaces/), '!lo');
      await user.click(await screen.findByRole('option', { name: /!lo/ }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ interfaces: 'any,!lo' }));
    });
  });

  describe('attributes', () => {
    it('offers what the servers can group by', async () => {
      const { onChange, user } = await show({ attributes: ['colour'] });

      await user.click(screen.getByLabelText('Grouped by'));
      expect(await screen.findByRole('option', { name: /moment/ })).toBeInTheDocument();
      expect(screen.queryByRole('option', { name: /weight/ })).not.toBeInTheDocument();
      await user.click(screen.getByRole('option', { name: /shape/ }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ attributes: ['colour', 'shape'] }));
    });

    it('takes a preset, without the time in a graph', async () => {
      const { onChange, user } = await show({ queryType: 'timeseries', attributes: [] });

      await user.click(screen.getByRole('button', { name: /Presets/ }));
      await user.click(await screen.findByRole('menuitem', { name: /looks/ }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ attributes: ['colour', 'shape'] }));
    });

    it('says that a table needs one', async () => {
      await show({ attributes: [] });

      expect(screen.getByText('A table needs at least one attribute.')).toBeInTheDocument();
    });
  });

  describe('limit', () => {
    it('runs when a number has been entered', async () => {
      const { onChange, onRunQuery, user } = await show();

      await user.clear(screen.getByLabelText('Top'));
      await user.type(screen.getByLabelText('Top'), '100{Enter}');

      expect(onChange).toHaveBeenCalledTimes(1);
      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ limit: 100 }));
      expect(onRunQuery).toHaveBeenCalledTimes(1);
    });

    it('may be a dashboard variable', async () => {
      const { onChange, user } = await show();

      await user.clear(screen.getByLabelText('Top'));
      await user.type(screen.getByLabelText('Top'), '$top{Enter}');

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ limit: '$top' }));
    });

    it('falls back from what is no number', async () => {
      const { onChange, user } = await show({ limit: 7 });

      for (const text of ['0', '-3', '2.5', ' ', 'x', '$']) {
        await user.clear(screen.getByLabelText('Top'));
        await user.type(screen.getByLabelText('Top'), `${text}{Enter}`);
        expect(screen.getByLabelText('Top')).toHaveValue('7');
      }

      expect(onChange).not.toHaveBeenCalled();
    });
  });

  it('says why there is nothing to choose from', async () => {
    const test = setUp();
    test.source.getCatalog.mockRejectedValue(new Error('no server answered'));
    render(test.panel);

    expect(await screen.findByText('no server answered')).toBeInTheDocument();
  });
});

describe('the condition', () => {
  it('neither changes nor runs the query while it is typed', async () => {
    const { onChange, onRunQuery, user } = await show();

    await user.type(condition(), 'colour = red');

    expect(onChange).not.toHaveBeenCalled();
    expect(onRunQuery).not.toHaveBeenCalled();
  });

  it.each([
    ['Enter', '{Enter}'],
    ['leaving the field', '{Tab}'],
  ])('runs on %s', async (_, key) => {
    const { onChange, onRunQuery, user } = await show();

    await user.type(condition(), 'colour = red');
    await user.keyboard(key);

    expect(onChange).toHaveBeenCalledTimes(1);
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ condition: 'colour = red' }));
    await waitFor(() => expect(onRunQuery).toHaveBeenCalledTimes(1));
  });

  it('runs again on Enter, not on leaving, when it has not changed', async () => {
    const { onChange, onRunQuery, user } = await show({ condition: 'colour = red' });

    await user.click(condition());
    await user.tab();
    expect(onRunQuery).not.toHaveBeenCalled();

    await user.type(condition(), '{Enter}');
    await waitFor(() => expect(onRunQuery).toHaveBeenCalledTimes(1));
    expect(onChange).not.toHaveBeenCalled();
  });

  it('shows what is wrong and where, while it is typed', async () => {
    const { user } = await show();

    await user.type(condition(), 'dprot = 1');

    expect((await screen.findByRole('alert')).textContent).toBe(fault.diagram);
    expect(condition()).toBeInvalid();
    await user.clear(condition());
    expect(screen.queryByRole('alert')).not.toBeInTheDocument();
  });

  it('is kept but does not run while it is wrong, whatever else is changed', async () => {
    const { onChange, onRunQuery, user } = await show();

    await user.type(condition(), 'dprot = 1{Enter}');
    await screen.findByRole('alert');
    await user.click(screen.getByLabelText('Packets'));

    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ condition: 'dprot = 1', value: 'packets' }));
    await act(async () => {});
    expect(onRunQuery).not.toHaveBeenCalled();
  });

  it('runs unchecked where the backend cannot be asked', async () => {
    const { source, onRunQuery, user } = await show();
    source.checkCondition.mockRejectedValue(new Error('gateway timeout'));

    await user.type(condition(), 'colour = red{Enter}');

    await waitFor(() => expect(onRunQuery).toHaveBeenCalledTimes(1));
  });

  it('follows the query when that is changed from outside', async () => {
    const { source, onChange, onRunQuery } = setUp();
    const editor = (text: string) => (
      <QueryEditor
        datasource={source as unknown as WeirDataSource}
        query={{ refId: 'A', condition: text } as WeirQuery}
        onChange={onChange}
        onRunQuery={onRunQuery}
      />
    );
    const { rerender } = render(editor('colour = red'));
    await act(async () => {});

    rerender(editor('colour = blue'));

    expect(condition()).toHaveValue('colour = blue');
  });
});
