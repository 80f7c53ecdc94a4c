import { css } from '@emotion/css';
import React, { useEffect, useRef, useState } from 'react';
import { CoreApp, GrafanaTheme2, LoadingState } from '@grafana/data';
import { Alert, Button, LoadingPlaceholder, PanelChrome, RadioButtonGroup, useStyles2 } from '@grafana/ui';

import { Answers, hasBoth } from './Answers';
import { HelpPanel } from './HelpPanel';
import { Query } from './plugin';
import { SettingsPanel } from './SettingsPanel';
import { CellFilter } from './TablePanel';
import { usePlugin } from './usePlugin';
import { Run, useQuery } from './useQuery';
import { useVariables } from './useVariables';
import { VariablesRow } from './VariablesRow';

const RANGES = [
  { label: '5m', value: 5, description: 'the last 5 minutes' },
  { label: '15m', value: 15, description: 'the last 15 minutes' },
  { label: '1h', value: 60, description: 'the last hour' },
  { label: '24h', value: 24 * 60, description: 'the last day' },
];

const DEFAULT_MINUTES = 5;

/** The page: settings, variables, query and answer of the data source, each answer in the panels that suit it. */
export function Explorer() {
  const styles = useStyles2(getStyles);
  const { plugin, settings, source, error, save } = usePlugin();
  const [query, showQuery] = useState<Query>({ refId: 'A' });
  // An editor changes the query and runs it in one go, as Grafana lets it.
  const latest = useRef(query);
  const setQuery = (query: Query) => {
    latest.current = query;
    showQuery(query);
  };
  const [minutes, setMinutes] = useState(DEFAULT_MINUTES);
  const [run, setRun] = useState<Run>();
  const queryType = run?.query.queryType ?? 'table';
  const answer = useQuery(source, run, queryType);
  const otherType = queryType === 'table' ? 'timeseries' : 'table';
  const other = useQuery(source, run, hasBoth(queryType) ? otherType : undefined);
  const runNow = (minutes: number) => setRun({ query: latest.current, minutes });
  const variables = useVariables(source, minutes, () => runNow(minutes));
  const runThis = (query: Query) => {
    setQuery(query);
    setRun({ query, minutes });
  };
  const filter = ({ key, value, operator }: CellFilter) =>
    source?.modifyQuery &&
    runThis(
      source.modifyQuery(query, { type: operator === '=' ? 'ADD_FILTER' : 'ADD_FILTER_OUT', options: { key, value } })
    );
  // The data source's own first query, at once and after its settings have changed.
  useEffect(() => {
    if (source) {
      const first = { ...source.getDefaultQuery?.(CoreApp.Explore), refId: 'A' };
      latest.current = { ...first, ...latest.current };
      showQuery(latest.current);
      setRun((run) => ({ query: { ...first, ...run?.query }, minutes: run?.minutes ?? DEFAULT_MINUTES }));
    }
  }, [source]);

  if (error) {
    return <Alert title="The explorer cannot start">{error.message}</Alert>;
  }
  if (!plugin || !settings || !source) {
    return <LoadingPlaceholder text="Loading the plugin …" />;
  }
  const answers = hasBoth(queryType) ? [answer, other] : [answer];
  const busy = answers.some(({ state }) => state === LoadingState.Loading || state === LoadingState.Streaming);
  const data = { state: answer.state, series: answer.response?.data ?? [], timeRange: answer.range! };
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
      <VariablesRow source={source} {...variables} />
      <PanelChrome title="Query">
        <plugin.components.QueryEditor
          datasource={source}
          query={query}
          onChange={setQuery}
          onRunQuery={() => runNow(minutes)}
          app={CoreApp.Explore}
          data={data}
        />
      </PanelChrome>
      <HelpPanel
        plugin={plugin}
        source={source}
        query={query}
        onExample={(example) => runThis({ ...example, refId: 'A' })}
      />
      <Answers answer={answer} other={other} queryType={queryType} onFilter={filter} />
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
