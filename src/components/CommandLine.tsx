import { css } from '@emotion/css';
import React from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { ClipboardButton, Text, useStyles2 } from '@grafana/ui';

interface Props {
  command: string;
  /** The servers answer over NATS. */
  overNats: boolean;
}

/** The command line that gives the same answer. */
export function CommandLine({ command, overNats }: Props) {
  const styles = useStyles2(getStyles);
  return (
    <>
      <div className={styles.line}>
        <code className={styles.code} aria-label="Equivalent command line" data-testid="command-line">
          {command}
        </code>
        <ClipboardButton
          size="sm"
          variant="secondary"
          fill="text"
          icon="copy"
          aria-label="Copy the command line"
          getText={() => command}
        />
      </div>
      {overNats && (
        <Text element="p" variant="bodySmall" color="secondary">
          These hosts answer over NATS, which the command line does not speak: put --server with the address of a
          gateway in the place of theirs.
        </Text>
      )}
    </>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  line: css({ display: 'flex', alignItems: 'center', gap: theme.spacing(1) }),
  code: css({
    flex: 1,
    margin: 0,
    padding: theme.spacing(0.5, 1),
    border: 'none',
    background: theme.colors.background.secondary,
    color: theme.colors.text.secondary,
    whiteSpace: 'normal',
    overflowWrap: 'anywhere',
  }),
});
