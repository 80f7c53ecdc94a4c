import { css } from '@emotion/css';
import React, { useState } from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { MonacoEditor, useStyles2 } from '@grafana/ui';

import { Completer } from '../../condition/completion';
import { ConditionFault } from '../../types';
import { CodeInput } from './CodeInput';
import { ConditionProps, PlainInput } from './PlainInput';

interface Props extends Omit<ConditionProps, 'faultId'> {
  source: Completer;
  fault?: ConditionFault;
}

/**
 * The condition, with what is wrong below it. The code editor takes over from the plain input when it has loaded; where
 * it does not load, the plain input stays.
 */
export function ConditionInput({ source, fault, ...shared }: Props) {
  const styles = useStyles2(getStyles);
  const [ready, setReady] = useState(false);
  const faultId = fault && `${shared.id}-fault`;
  const takeOver = (editor: MonacoEditor) => {
    // Whoever is typing goes on typing.
    if (document.activeElement?.id === shared.id) {
      editor.setPosition({ lineNumber: 1, column: shared.value.length + 1 });
      editor.focus();
    }
    setReady(true);
  };
  return (
    <div className={styles.box}>
      {!ready && <PlainInput {...shared} faultId={faultId} />}
      <div className={ready ? undefined : styles.loading} aria-hidden={!ready}>
        <CodeInput {...shared} source={source} fault={fault} onReady={takeOver} />
      </div>
      {fault && (
        <pre id={faultId} className={styles.fault} role="alert" data-testid="condition-fault">
          {fault.diagram || fault.message}
        </pre>
      )}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  box: css({ position: 'relative', width: '100%', minWidth: 0 }),
  // There, so that it can measure itself, but out of sight and reach.
  loading: css({ position: 'absolute', inset: 0, opacity: 0, pointerEvents: 'none', overflow: 'hidden', zIndex: -1 }),
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
