import { DataSourcePlugin } from '@grafana/data';

import { LazyConfigEditor, LazyQueryEditor, LazyQueryHelp } from './components/lazy';
import { WeirDataSource } from './datasource';
import { WeirOptions, WeirQuery, WeirSecrets } from './types';

export const plugin = new DataSourcePlugin<WeirDataSource, WeirQuery, WeirOptions, WeirSecrets>(WeirDataSource)
  .setConfigEditor(LazyConfigEditor)
  .setQueryEditor(LazyQueryEditor)
  .setQueryEditorHelp(LazyQueryHelp);
