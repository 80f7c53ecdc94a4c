import * as emotion from '@emotion/css';
import React, { ComponentType } from 'react';
import * as jsxRuntime from 'react/jsx-runtime';
import * as reactDOM from 'react-dom';
import * as rxjs from 'rxjs';
import * as data from '@grafana/data';
import { DataQuery } from '@grafana/schema';
import * as runtime from '@grafana/runtime';
import * as ui from '@grafana/ui';

export const PLUGIN_ID = 'weirflow-weir-datasource';

export type Query = DataQuery & { queryType?: string; limit?: number; unit?: string };
export type Settings = data.DataSourceSettings<data.DataSourceJsonData, Record<string, string>>;
export type Source = runtime.DataSourceWithBackend<Query>;

/** The plugin's support of query variables, as far as the explorer uses it. */
export interface VariableSupport {
  editor: ComponentType<Pick<data.QueryEditorProps<Source, Query>, 'datasource' | 'query' | 'onChange' | 'onRunQuery'>>;
  query: (request: data.DataQueryRequest<Query>) => rxjs.Observable<data.DataQueryResponse>;
}

export function variableSupport(source: Source): VariableSupport {
  return source.variables as unknown as VariableSupport;
}

/** What the plugin's module.js exports, as far as the explorer uses it. */
export interface Plugin {
  DataSourceClass: new (settings: data.DataSourceInstanceSettings) => Source;
  components: {
    ConfigEditor: ComponentType<data.DataSourcePluginOptionsEditorProps>;
    QueryEditor: ComponentType<data.QueryEditorProps<Source, Query>>;
    QueryEditorHelp: ComponentType<data.QueryEditorHelpProps<Query>>;
  };
}

type Factory = (...dependencies: unknown[]) => { plugin: Plugin };

/**
 * Loads module.js the way Grafana does: it is an AMD module that takes React, Grafana's packages and some more from
 * its host.
 */
export function loadPlugin(): Promise<Plugin> {
  const uri = `/public/plugins/${PLUGIN_ID}/module.js`;
  const shared: Record<string, unknown> = {
    module: { uri },
    react: React,
    'react/jsx-runtime': jsxRuntime,
    'react-dom': reactDOM,
    rxjs,
    '@emotion/css': emotion,
    '@grafana/data': data,
    '@grafana/runtime': runtime,
    '@grafana/ui': ui,
  };
  return new Promise((resolve, reject) => {
    const define = (names: string[], factory: Factory) => {
      const missing = names.filter((name) => !(name in shared));
      if (missing.length > 0) {
        reject(new Error(`module.js wants ${missing.join(', ')}, which this page does not provide`));
        return;
      }
      resolve(factory(...names.map((name) => shared[name])).plugin);
    };
    Object.assign(window, { define: Object.assign(define, { amd: {} }) });
    const script = document.createElement('script');
    script.src = uri;
    script.onerror = () => reject(new Error(`cannot load ${uri}: is the plugin's front end built?`));
    document.head.append(script);
  });
}
