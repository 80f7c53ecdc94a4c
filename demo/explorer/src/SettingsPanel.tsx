import React, { useState } from 'react';
import { Alert, Button, PanelChrome, Stack } from '@grafana/ui';

import { Plugin, Settings, Source } from './plugin';

interface Props {
  plugin: Plugin;
  source: Source;
  settings: Settings;
  onSave: (settings: Settings) => Promise<void>;
}

interface Outcome {
  severity: 'success' | 'error';
  message: string;
  details?: string;
}

/** The plugin's config editor, with what Grafana's page puts around it: save and test. */
export function SettingsPanel({ plugin, source, settings: stored, onSave }: Props) {
  const [settings, setSettings] = useState(stored);
  const [collapsed, setCollapsed] = useState(true);
  const [outcome, setOutcome] = useState<Outcome>();

  const [shown, setShown] = useState(stored);
  if (shown !== stored) {
    setShown(stored);
    setSettings(stored);
  }

  const save = () =>
    onSave(settings).then(
      () => setOutcome({ severity: 'success', message: 'Settings saved' }),
      (error) => setOutcome(failure(error))
    );
  const test = () =>
    source.testDatasource().then(
      ({ message }) => setOutcome({ severity: 'success', message }),
      (error) => setOutcome(failure(error))
    );
  return (
    <PanelChrome title="Data source settings" collapsible collapsed={collapsed} onToggleCollapse={setCollapsed}>
      <div data-testid="settings">
        <plugin.components.ConfigEditor options={settings} onOptionsChange={(next) => setSettings(next as Settings)} />
        <Stack direction="row" gap={1}>
          <Button data-testid="save" onClick={save}>
            Save
          </Button>
          <Button data-testid="test" variant="secondary" onClick={test}>
            Test
          </Button>
        </Stack>
        {outcome && (
          <Alert
            severity={outcome.severity}
            title={outcome.message}
            topSpacing={2}
            data-testid={`outcome-${outcome.severity}`}
          >
            {outcome.details && <pre>{outcome.details}</pre>}
          </Alert>
        )}
      </div>
    </PanelChrome>
  );
}

// Grafana's health check rejects with {message, error: {details: {message, verboseMessage}}}, a request with {data}.
function failure(error: any): Outcome {
  const details = error?.error?.details;
  return {
    severity: 'error',
    message: error?.message ?? error?.data?.message ?? String(error),
    details: [details?.message, details?.verboseMessage].filter(Boolean).join('\n') || undefined,
  };
}
