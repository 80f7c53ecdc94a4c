import { css } from '@emotion/css';
import React, { KeyboardEvent } from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { Input, useStyles2 } from '@grafana/ui';

export interface ConditionProps {
  id: string;
  value: string;
  /** Id of the text that says what is wrong; undefined if nothing is. */
  faultId?: string;
  onChange: (text: string) => void;
  /** The text is complete: Enter was pressed, or the input was left. */
  onCommit: (how: 'enter' | 'blur') => void;
}

export const PLACEHOLDER = 'every flow, or for example: dport = 443 & proto = tcp';

/** The condition as plain text: until the code editor is there, and where it does not come. */
export function PlainInput({ id, value, faultId, onChange, onCommit }: ConditionProps) {
  const styles = useStyles2(getStyles);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      onCommit('enter');
    }
  };
  return (
    <Input
      id={id}
      className={styles.text}
      value={value}
      placeholder={PLACEHOLDER}
      spellCheck={false}
      autoComplete="off"
      invalid={faultId !== undefined}
      aria-invalid={faultId !== undefined}
      aria-describedby={faultId}
      onChange={(event) => onChange(event.currentTarget.value)}
      onKeyDown={onKeyDown}
      onBlur={() => onCommit('blur')}
    />
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  text: css({ input: { fontFamily: theme.typography.fontFamilyMonospace } }),
});
