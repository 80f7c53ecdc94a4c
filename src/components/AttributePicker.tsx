import React from 'react';
import { Button, Dropdown, Menu, Stack } from '@grafana/ui';

import { Preset } from '../presets';
import { CatalogField } from '../types';
import { Choice, NamePicker } from './NamePicker';

interface Props {
  id: string;
  value: string[];
  /** What one can group by. */
  fields: CatalogField[];
  presets: Preset[];
  /** Names of dashboard variables, and labels, to stand among the attributes. */
  others: Choice[];
  placeholder: string;
  invalid: boolean;
  onChange: (value: string[]) => void;
}

/** Chooses what to group by: attributes one by one, or a preset of several. */
export function AttributePicker({ id, value, fields, presets, others, placeholder, invalid, onChange }: Props) {
  const choices = [
    ...fields.map(({ name, title, description }) => ({ name, description: `${title}: ${description}` })),
    ...others,
  ];
  return (
    <Stack direction="row" gap={0.5} alignItems="center">
      <NamePicker
        id={id}
        width={60}
        value={value}
        choices={choices}
        freeText="attribute, or a network of addresses: sip/24"
        placeholder={placeholder}
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

function Presets({ presets, onChoose }: { presets: Preset[]; onChoose: (attributes: string[]) => void }) {
  return (
    <Menu>
      {presets.map(({ name, description, attributes }) => (
        <Menu.Item
          key={name}
          label={name}
          description={[description, attributes.join(', ')].filter(Boolean).join(': ')}
          onClick={() => onChoose(attributes)}
        />
      ))}
    </Menu>
  );
}
