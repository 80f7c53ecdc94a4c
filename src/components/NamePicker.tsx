import { css } from '@emotion/css';
import React from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { MultiCombobox, useStyles2 } from '@grafana/ui';

export interface Choice {
  name: string;
  description?: string;
}

interface Props {
  id: string;
  value: string[];
  choices: Choice[];
  /** In units of the theme's spacing. */
  width: number;
  /** What can be typed besides the choices; nothing if absent. */
  freeText?: string;
  placeholder?: string;
  isClearable?: boolean;
  invalid?: boolean;
  onChange: (value: string[]) => void;
}

/** Chooses names, shown as chips. */
export function NamePicker({ choices, width, freeText, onChange, ...shared }: Props) {
  const styles = useStyles2(getStyles, width);
  // The first of several choices with the same name counts.
  const byName = new Map([...choices].reverse().map((choice) => [choice.name, choice]));
  const options = [...byName.values()]
    .reverse()
    .map(({ name, description }) => ({ value: name, label: name, description }));
  return (
    // The combobox fits as many chips as it can see space for, which it can't where it is given its own width.
    <div className={styles.box}>
      <MultiCombobox
        {...shared}
        options={options}
        createCustomValue={freeText !== undefined}
        customValueDescription={freeText}
        onChange={(chosen) => onChange(chosen.map((option) => option.value))}
      />
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2, width: number) => ({
  box: css({ width: theme.spacing(width), maxWidth: '100%' }),
});
