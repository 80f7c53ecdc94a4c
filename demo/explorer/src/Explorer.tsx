import { css } from '@emotion/css';
import React, { useEffect, useState } from 'react';
import { CoreApp, GrafanaTheme2, LoadingState } from '@grafana/data';
import { Alert, Button, LoadingPlaceholder, PanelChrome, RadioButtonGroup, useStyles2 } from '@grafana/ui';

import { Graph } from './Graph';
import { Messages } from './Messages';
import { Query } from './plugin';
import { SettingsPanel } from './SettingsPanel';
import { TablePanel } from './TablePanel';
import { usePlugin } from './usePlugin';
import { Run, useQuery } from './useQuery';

const RANGES = [
  { label: '5m', value: 5, description: 'the last 5 minutes' },
  { label: '15m', value: 15, description: 'the last 15 minutes' },
  { label: '1h', value: 60, description: 'the last hour' },
  { label: '24h', value: 24 * 60, description: 'the last day' },
];

const DEFAULT_MINUTES = 5;

/** The page: settings, query and answer of the data source, as a table and as a graph. */
export function Explorer() {
  const styles = useStyles2(getStyles);
  const { plugin, settings, source, error, save } = usePlugin();
  const [query, setQuery] = useState<Query>({ refId: 'A' });
  const [minutes, setMinutes] = useState(DEFAULT_MINUTES);
  const [run, setRun] = useState<Run>();
  const table = useQuery(source, run, 'table');
  const series = useQuery(source, run, 'timeseries');

  const runNow = (minutes: number) => setRun({ query, minutes });
  // The data source's own first query, at once and after its settings have changed.
  useEffect(() => {
    if (source) {
      const first = { ...source.getDefaultQuery?.(CoreApp.Explore), refId: 'A' };
      setQuery((query) => ({ ...first, ...query }));
      setRun((run) => ({ query: { ...first, ...run?.query }, minutes: run?.minutes ?? DEFAULT_MINUTES }));
    }
  }, [source]);

  if (error) {
    return <Alert title="The explorer cannot start">{error.message}</Alert>;
  }
  if (!plugin || !settings || !source) {
    return <LoadingPlaceholder text="Loading the plugin …" />;
  }
  const busy = [table, series].some(({ state }) => state === LoadingState.Loading);
  return (
    <main className={styles.page} data-testid="explorer" data-busy={busy}>
      <header className={styles.header}>
        <img src="logo.svg" alt="" width={32} height={32} />
        <h1 className={styles.title}>Weir explorer</h1>
        <span className={styles.source}>{settings.name}</span>
        <div className={styles.controls}>
          <RadioButtonGroup
            id="explorer-range"
            aria-label="Time range"
            options={RANGES}
            value={minutes}
            onChange={(minutes) => {
              setMinutes(minutes);
              runNow(minutes);
            }}
          />
          <Button icon="sync" data-testid="run" onClick={() => runNow(minutes)}>
            Run query
          </Button>
        </div>
      </header>
      <SettingsPanel plugin={plugin} source={source} settings={settings} onSave={save} />
      <PanelChrome title="Query">
        <plugin.components.QueryEditor
          datasource={source}
          query={query}
          onChange={setQuery}
          onRunQuery={() => runNow(minutes)}
          app={CoreApp.Explore}
        />
      </PanelChrome>
      <Messages answers={[table, series]} />
      <Graph answer={series} />
      <TablePanel answer={table} />
    </main>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  page: css({
    display: 'flex',
    flexDirection: 'column',
    gap: theme.spacing(1),
    maxWidth: 1600,
    margin: '0 auto',
    padding: theme.spacing(1, 2, 4),
  }),
  header: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1.5),
    padding: theme.spacing(1, 0),
  }),
  title: css({ ...theme.typography.h3, margin: 0 }),
  source: css({ color: theme.colors.text.secondary }),
  controls: css({ display: 'flex', gap: theme.spacing(1), marginLeft: 'auto' }),
});
