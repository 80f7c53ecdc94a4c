import { useCallback, useEffect, useMemo, useState } from 'react';
import { DataSourceInstanceSettings } from '@grafana/data';
import { getBackendSrv } from '@grafana/runtime';

import { loadPlugin, Plugin, PLUGIN_ID, Settings, Source } from './plugin';

interface Loaded {
  plugin: Plugin;
  settings: Settings;
}

export interface PluginState {
  plugin?: Plugin;
  /** The settings as they are stored. */
  settings?: Settings;
  /** The data source with these settings. */
  source?: Source;
  error?: Error;
  save: (settings: Settings) => Promise<void>;
}

/** Loads the plugin and the settings of its data source. */
export function usePlugin(): PluginState {
  const [loaded, setLoaded] = useState<Loaded>();
  const [error, setError] = useState<Error>();

  useEffect(() => {
    Promise.all([loadPlugin(), fetchSettings()]).then(
      ([plugin, settings]) => setLoaded({ plugin, settings }),
      (cause) => setError(cause instanceof Error ? cause : new Error(cause?.data?.message ?? String(cause)))
    );
  }, []);

  const source = useMemo(
    () => loaded && new loaded.plugin.DataSourceClass(instanceSettings(loaded.settings)),
    [loaded]
  );

  const save = useCallback(async ({ uid, name, jsonData, secureJsonData }: Settings) => {
    await getBackendSrv().put(`/api/datasources/uid/${uid}`, { name, jsonData, secureJsonData });
    const settings = await fetchSettings();
    setLoaded((loaded) => loaded && { ...loaded, settings });
  }, []);

  return { plugin: loaded?.plugin, settings: loaded?.settings, source, error, save };
}

async function fetchSettings(): Promise<Settings> {
  const all: Settings[] = await getBackendSrv().get('/api/datasources');
  const ours = all.find((settings) => settings.type === PLUGIN_ID);
  if (!ours) {
    throw new Error(`no data source of type ${PLUGIN_ID}`);
  }
  return { ...ours, secureJsonData: {} };
}

function instanceSettings({ id, uid, name, type, jsonData }: Settings): DataSourceInstanceSettings {
  return { id, uid, name, type, jsonData, meta: { id: type } } as DataSourceInstanceSettings;
}
