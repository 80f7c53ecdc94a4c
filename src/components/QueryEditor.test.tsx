import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';

import { WeirDataSource } from '../datasource';
import { SavedQuery } from '../query';
import { Catalog, ConditionCheck, WeirQuery } from '../types';
import { QueryEditor } from './QueryEditor';

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
};

const fault = { message: 'unknown attribute', offset: 0, length: 5, diagram: 'dprot = 1\n^\nunknown attribute' };

function setUp(saved: Partial<SavedQuery> = {}) {
  const source = {
    serverNames: ['amsterdam', 'berlin'],
    getVariableNames: () => ['$site'],
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
  return { source, onChange, onRunQuery, user: userEvent.setup(), panel: <Panel /> };
}

async function show(saved: Partial<SavedQuery> = {}) {
  const test = setUp(saved);
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
    ['Show', 'Time series', { queryType: 'timeseries', limit: 10 }],
    ['of', 'Packets', { value: 'packets' }],
    ['direction', 'In', { direction: 'in' }],
  ])('runs when %s becomes %s', async (group, choice, changes) => {
    const { onChange, onRunQuery, user } = await show();

    await user.click(within(screen.getByRole('radiogroup', { name: group })).getByLabelText(choice));

    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ refId: 'A', version: 1, ...changes }));
    expect(onRunQuery).toHaveBeenCalledTimes(1);
  });

  it('offers the unit of a time series only', async () => {
    const { onChange, user } = await show();
    expect(screen.queryByRole('radiogroup', { name: 'as' })).not.toBeInTheDocument();

    await user.click(screen.getByLabelText('Time series'));
    await user.click(screen.getByLabelText('Total'));

    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ unit: 'total' }));
  });

  describe('servers and interfaces', () => {
    it('offers the configured servers and the variables', async () => {
      const { onChange, user } = await show();

      await user.click(screen.getByLabelText(/On servers/));
      expect(await screen.findByRole('option', { name: '$site' })).toBeInTheDocument();
      await user.click(screen.getByRole('option', { name: 'berlin' }));

      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ servers: ['berlin'] }));
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
      const { onChange, user } = await show({ queryType: 'timeseries' });

      await user.click(screen.getByRole('button', { name: /Presets/ }));
      await user.click(await screen.findByRole('menuitem', { name: /all/ }));

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

      await user.clear(screen.getByLabelText('top'));
      await user.type(screen.getByLabelText('top'), '100{Enter}');

      expect(onChange).toHaveBeenCalledTimes(1);
      expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ limit: 100 }));
      expect(onRunQuery).toHaveBeenCalledTimes(1);
    });

    it.each(['0', '-3', '2.5', ' '])('falls back from %j', async (text) => {
      const { onChange, user } = await show({ limit: 7 });

      await user.clear(screen.getByLabelText('top'));
      await user.type(screen.getByLabelText('top'), text);
      await user.tab();

      expect(onChange).not.toHaveBeenCalled();
      expect(screen.getByLabelText('top')).toHaveValue(7);
    });
  });

  it('adds the rest', async () => {
    const { onChange, user } = await show();

    await user.click(screen.getByLabelText('and the rest'));

    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ other: true }));
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
