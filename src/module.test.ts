import { WeirDataSource } from './datasource';
import { plugin } from './module';
import pluginJson from './plugin.json';

it('gives Grafana the data source and its editors', () => {
  expect(plugin.DataSourceClass).toBe(WeirDataSource);
  expect(plugin.components.ConfigEditor).toBeDefined();
  expect(plugin.components.QueryEditor).toBeDefined();
});

it('promises in plugin.json what is there', () => {
  expect(pluginJson).toMatchObject({
    id: 'weirflow-weir-datasource',
    executable: 'gpx_weir',
    backend: true,
    metrics: true,
    alerting: true,
    dependencies: { grafanaDependency: '>=12.3.0' },
  });
  expect(plugin.components.QueryEditorHelp).toBeDefined();
  expect(pluginJson).toMatchObject({ annotations: true, multiValueFilterOperators: true });
});
