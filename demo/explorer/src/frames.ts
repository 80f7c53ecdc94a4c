import { applyFieldOverrides, DataFrame, FieldConfig, GrafanaTheme2 } from '@grafana/data';

/** Frames ready to be shown, with units, colours and names. What a frame says of a field wins over the defaults. */
export function prepare(frames: DataFrame[], theme: GrafanaTheme2, defaults: FieldConfig = {}): DataFrame[] {
  const withDefaults = frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => ({
      ...field,
      config: { ...defaults, ...field.config, custom: { ...defaults.custom, ...field.config.custom } },
    })),
  }));
  return applyFieldOverrides({
    data: withDefaults,
    fieldConfig: { defaults: {}, overrides: [] },
    replaceVariables: (text) => text,
    theme,
    timeZone: 'browser',
  });
}
