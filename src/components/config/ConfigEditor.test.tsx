import { DataSourceSettings } from '@grafana/data';
import { render, screen } from '@testing-library/react';
import React, { useState } from 'react';

import { newUser } from '../../testing';
import { WeirOptions, WeirSecrets } from '../../types';
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
  return { onOptionsChange, saved, user: newUser() };
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

describe('kinds', () => {
  it('asks for a gateway’s address alone', async () => {
    const { saved, user } = show();

    await user.click(screen.getByLabelText('Gateway'));
    expect(screen.queryByRole('button', { name: 'Add server' })).not.toBeInTheDocument();
    await user.type(screen.getByLabelText(/^Gateway.*names the hosts/), 'https://g.example');

    expect(saved().jsonData).toEqual({ kind: 'gateway', servers: [{ name: 'gateway', url: 'https://g.example' }] });
  });

  it('takes a discovery URL', async () => {
    const { saved, user } = show({ jsonData: { kind: 'discovery' } });

    await user.type(screen.getByLabelText(/Discovery URL/), 'https://i.example/targets');

    expect(saved().jsonData).toEqual({ kind: 'discovery', discoveryUrl: 'https://i.example/targets' });
  });

  it('takes a bus with its site, and its secrets as such', async () => {
    const { saved, user } = show({ jsonData: { kind: 'nats' } });

    await user.type(screen.getByLabelText(/NATS URL/), 'nats://b.example');
    await user.type(screen.getByLabelText(/Site/), 'fra');
    await user.type(screen.getByLabelText(/NATS credentials/), 'JWT');
    await user.type(screen.getByLabelText(/NATS token/), 'T');

    expect(saved().jsonData).toEqual({ kind: 'nats', natsUrl: 'nats://b.example', natsSite: 'fra' });
    expect(saved().secureJsonData).toEqual({ natsCredentials: 'JWT', natsToken: 'T' });
  });

  it('is found out from an address that can only be one of a bus', async () => {
    const { saved, user } = show();

    await user.click(screen.getByLabelText('URL of server 1'));
    await user.paste('nats://b.example:4222');

    expect(saved().jsonData).toEqual({ kind: 'nats', servers: [], natsUrl: 'nats://b.example:4222' });
    expect(screen.getByLabelText(/NATS URL/)).toHaveValue('nats://b.example:4222');
  });
});

it('sends headers, with their values as secrets', async () => {
  const { saved, user } = show();

  await user.click(screen.getByRole('button', { name: 'Add header' }));
  await user.type(screen.getByLabelText('Name of header 1'), 'X-Scope');
  await user.type(screen.getByLabelText('Value of header 1'), 's3cret');
  expect(saved().jsonData).toEqual({ httpHeaderName1: 'X-Scope' });
  expect(saved().secureJsonData).toEqual({ httpHeaderValue1: 's3cret' });

  await user.click(screen.getByRole('button', { name: 'Remove header 1' }));
  expect(saved().jsonData).toEqual({});
  expect(saved().secureJsonData).toEqual({ httpHeaderValue1: '' });
});

it('takes limits and a name server', async () => {
  const { saved, user } = show();

  await user.type(screen.getByLabelText(/Concurrent requests/), '8');
  await user.type(screen.getByLabelText(/Cache/), '64');
  await user.click(screen.getByLabelText(/Strict/));
  await user.click(screen.getByLabelText(/Reverse lookup/));
  await user.type(screen.getByLabelText(/Name server/), '192.0.2.53:53');

  const limits = { concurrency: 8, cacheMegabytes: 64, strict: true };
  expect(saved().jsonData).toEqual({ ...limits, lookup: true, lookupServer: '192.0.2.53:53' });
});

describe('secrets', () => {
  it('writes the token as a secret and keeps the others', async () => {
    const { saved, user } = show({ secureJsonFields: { tlsCACert: true } });

    await user.type(screen.getByLabelText(/^Token/), 's3cret');

    expect(saved().secureJsonData).toEqual({ token: 's3cret' });
    expect(saved().secureJsonFields).toEqual({ tlsCACert: true, token: false });
    expect(JSON.stringify(saved().jsonData)).not.toContain('s3cret');
  });

  it('shows a stored token only as configured, and resets it', async () => {
    const { saved, user } = show({ secureJsonFields: { token: true } });
    expect(screen.getByLabelText(/^Token/)).toHaveValue('configured');

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
  show({ readOnly: true, jsonData: { servers: [{ name: 'a', url: 'http://a' }], tlsAuth: true, lookup: true } });

  const controls = [...screen.getAllByRole('textbox'), ...screen.getAllByRole('switch')];
  expect(controls.length).toBeGreaterThan(6);
  for (const control of [...controls, ...screen.getAllByRole('button', { name: /server|header/ })]) {
    expect(control).toBeDisabled();
  }
});
