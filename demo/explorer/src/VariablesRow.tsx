import React, { useState } from 'react';
import { Alert, IconButton, InlineField, MultiCombobox, PanelChrome, Stack } from '@grafana/ui';

import { Query, Source, variableSupport } from './plugin';
import { VariablesState } from './useVariables';

interface Props extends VariablesState {
  source: Source;
}

/** The variables of a dashboard: a choice in one narrows those that name it. A pencil opens the plugin's own editor. */
export function VariablesRow({ source, variables, error, choose, edit }: Props) {
  const [edited, setEdited] = useState<string>();
  const Editor = variableSupport(source).editor;
  const variable = variables.find(({ name }) => name === edited);
  return (
    <PanelChrome title="Variables">
      <div data-testid="variables">
        <Stack direction="row" wrap="wrap" gap={1}>
          {variables.map(({ name, options, chosen }) => (
            <Stack key={name} direction="row" gap={0.5} alignItems="center">
              <InlineField label={`$${name}`}>
                <MultiCombobox
                  id={`variable-${name}`}
                  width={28}
                  placeholder={`all ${options.length}`}
                  isClearable
                  options={options.map((value) => ({ value }))}
                  value={chosen}
                  onChange={(values) =>
                    choose(
                      name,
                      values.map(({ value }) => value)
                    )
                  }
                />
              </InlineField>
              <IconButton
                name="pen"
                tooltip={`Edit $${name}`}
                onClick={() => setEdited(name === edited ? undefined : name)}
              />
            </Stack>
          ))}
        </Stack>
        {variable && (
          <div data-testid="variable-editor">
            <Editor
              datasource={source}
              query={variable.query}
              onChange={(query: Query) => edit(variable.name, query)}
              onRunQuery={() => {}}
            />
          </div>
        )}
        {error && <Alert severity="error" title={error} bottomSpacing={0} data-testid="variable-error" />}
      </div>
    </PanelChrome>
  );
}
