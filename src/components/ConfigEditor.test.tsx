import { DataSourceSettings } from '@grafana/data';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';

import { WeirOptions, WeirSecrets } from '../types';
import { ConfigEditor } from './ConfigEditor';

type Settings = DataSourceSettings<WeirOptions, WeirSecrets>;

function show(settings: Partial<Settings> = {}) {
  const onOptionsChange = jest.fn<void, [Settings]>();
  function Page() {
    const [options, setOptions] = useState({ jsonData: {}, secureJsonFields: {}, ...settings } as Settings);
    return (
      <ConfigEditor
        options={options}
        onOptionsChange={(next) => {
          onOptionsChange(next);
          setOptions(next);
        }}
      />
    );
  }
  render(<Page />);
  const saved = () => onOptionsChange.mock.lastCall![0];
  return { onOptionsChange, saved, user: userEvent.setup() };
}

describe('servers', () => {
  it('takes the first one from a blank row', async () => {
    const { saved, user } = show();

    await user.type(screen.getByLabelText('Name of server 1'), 'amsterdam');
    await user.type(screen.getByLabelText('URL of server 1'), 'https://a.example:8145');

    expect(saved().jsonData.servers).toEqual([{ name: 'amsterdam', url: 'https://a.example:8145' }]);
  });

  it('adds and removes rows', async () => {
    const a = { name: 'a', url: 'http://a' };
    const { saved, user } = show({ jsonData: { servers: [a] } });

    await user.click(screen.getByRole('button', { name: 'Add server' }));
    expect(saved().jsonData.servers).toEqual([a, { name: '', url: '' }]);

    await user.click(screen.getByRole('button', { name: 'Remove server 1' }));
    expect(saved().jsonData.servers).toEqual([{ name: '', url: '' }]);
  });

  it('says what is wrong with one', () => {
    show({ jsonData: { servers: [{ name: 'a', url: 'a.example:8145' }] } });

    expect(screen.getByText('The URL must look like https://host:8145.')).toBeInTheDocument();
  });
});

describe('secrets', () => {
  it('writes the token as a secret and keeps the others', async () => {
    const { saved, user } = show({ secureJsonFields: { tlsCACert: true } });

    await user.type(screen.getByLabelText(/Token/), 's3cret');

    expect(saved().secureJsonData).toEqual({ token: 's3cret' });
    expect(saved().secureJsonFields).toEqual({ tlsCACert: true, token: false });
    expect(JSON.stringify(saved().jsonData)).not.toContain('s3cret');
  });

  it('shows a stored token only as configured, and resets it', async () => {
    const { saved, user } = show({ secureJsonFields: { token: true } });
    expect(screen.getByLabelText(/Token/)).toHaveValue('configured');

    await user.click(screen.getByRole('button', { name: 'Reset' }));

    expect(saved().secureJsonFields.token).toBe(false);
    expect(saved().secureJsonData?.token).toBe('');
  });
});

describe('TLS', () => {
  it('asks for certificates only where they are wanted', async () => {
    const { saved, user } = show();
    expect(screen.queryByLabelText('CA certificate')).not.toBeInTheDocument();

    await user.click(screen.getByLabelText(/Own certificate authority/));
    await user.type(screen.getByLabelText('CA certificate'), 'PEM');
    await user.click(screen.getByLabelText(/Client certificate/));
    await user.type(screen.getByLabelText('Key'), 'KEY');

    expect(saved().jsonData).toEqual({ tlsAuthWithCACert: true, tlsAuth: true });
    expect(saved().secureJsonData).toEqual({ tlsCACert: 'PEM', tlsClientKey: 'KEY' });
  });

  it('takes a server name and the skipping of verification', async () => {
    const { saved, user } = show();

    await user.type(screen.getByLabelText(/Server name/), 'probe');
    await user.click(screen.getByLabelText(/Skip verification/));

    expect(saved().jsonData).toEqual({ serverName: 'probe', tlsSkipVerify: true });
  });
});

it('takes a timeout, and none', async () => {
  const { saved, user } = show();

  await user.type(screen.getByLabelText(/Timeout/), '5');
  expect(saved().jsonData.timeoutSeconds).toBe(5);

  await user.clear(screen.getByLabelText(/Timeout/));
  expect(saved().jsonData.timeoutSeconds).toBeUndefined();
});

it('cannot be changed where it is provisioned', () => {
  show({ readOnly: true, jsonData: { servers: [{ name: 'a', url: 'http://a' }], tlsAuth: true } });

  const controls = [...screen.getAllByRole('textbox'), ...screen.getAllByRole('switch')];
  expect(controls.length).toBeGreaterThan(6);
  for (const control of [...controls, ...screen.getAllByRole('button', { name: /server/ })]) {
    expect(control).toBeDisabled();
  }
});
