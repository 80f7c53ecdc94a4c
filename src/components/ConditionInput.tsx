import { css } from '@emotion/css';
import React, { KeyboardEvent } from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { Input, useStyles2 } from '@grafana/ui';

import { ConditionFault } from '../types';

interface Props {
  id: string;
  value: string;
  fault?: ConditionFault;
  onChange: (text: string) => void;
  /** The text is complete: Enter was pressed, or the input was left. */
  onCommit: (how: 'enter' | 'blur') => void;
}

/** The condition as text, with what is wrong below it. */
export function ConditionInput({ id, value, fault, onChange, onCommit }: Props) {
  const styles = useStyles2(getStyles);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      onCommit('enter');
    }
  };
  return (
    <div className={styles.box}>
      <Input
        id={id}
        className={styles.text}
        value={value}
        placeholder="every flow, or for example: dport = 443 & proto = tcp"
        spellCheck={false}
        autoComplete="off"
        invalid={fault !== undefined}
        aria-invalid={fault !== undefined}
        aria-describedby={fault && `${id}-fault`}
        onChange={(event) => onChange(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={() => onCommit('blur')}
      />
      {fault && (
        <pre id={`${id}-fault`} className={styles.fault} role="alert" data-testid="condition-fault">
          {fault.diagram || fault.message}
        </pre>
      )}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({ width: '100%' }),
  text: css({ input: { fontFamily: theme.typography.fontFamilyMonospace } }),
  fault: css({
    margin: theme.spacing(0.5, 0, 0),
    padding: theme.spacing(0.5, 1),
    border: 'none',
    borderLeft: `2px solid ${theme.colors.error.border}`,
    background: theme.colors.error.transparent,
    color: theme.colors.error.text,
    fontSize: theme.typography.bodySmall.fontSize,
    overflowX: 'auto',
  }),
});
