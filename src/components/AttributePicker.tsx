import React from 'react';
import { Button, Dropdown, Menu, Stack } from '@grafana/ui';

import { CatalogField, CatalogShorthand } from '../types';
import { NamePicker } from './NamePicker';

interface Props {
  id: string;
  value: string[];
  /** What one can group by. */
  fields: CatalogField[];
  shorthands: CatalogShorthand[];
  /** Names of dashboard variables, to stand for attributes. */
  variables: string[];
  invalid: boolean;
  onChange: (value: string[]) => void;
}

/** Chooses what to group by: attributes one by one, or a preset of several. */
export function AttributePicker({ id, value, fields, shorthands, variables, invalid, onChange }: Props) {
  const choices = [
    ...fields.map(({ name, title, description }) => ({ name, description: `${title}: ${description}` })),
    ...variables.map((name) => ({ name, description: 'dashboard variable' })),
  ];
  const names = new Set(fields.map((field) => field.name));
  const presets = shorthands
    .map(({ name, fields }) => ({ name, fields: fields.filter((field) => names.has(field)) }))
    .filter((preset) => preset.fields.length > 0);
  return (
    <Stack direction="row" gap={0.5} alignItems="center">
      <NamePicker
        id={id}
        width={60}
        value={value}
        choices={choices}
        freeText="name of an attribute"
        placeholder="nothing: the total"
        isClearable
        invalid={invalid}
        onChange={onChange}
      />
      {presets.length > 0 && (
        <Dropdown overlay={<Presets presets={presets} onChoose={onChange} />}>
          <Button variant="secondary" icon="angle-down" iconPlacement="right" tooltip="Group by a usual combination">
            Presets
          </Button>
        </Dropdown>
      )}
    </Stack>
  );
}

function Presets({ presets, onChoose }: { presets: CatalogShorthand[]; onChoose: (fields: string[]) => void }) {
  return (
    <Menu>
      {presets.map(({ name, fields }) => (
        <Menu.Item key={name} label={name} description={fields.join(', ')} onClick={() => onChoose(fields)} />
      ))}
    </Menu>
  );
}
