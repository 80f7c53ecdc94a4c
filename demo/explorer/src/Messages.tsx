import { css } from '@emotion/css';
import React from 'react';
import { DataFrame, GrafanaTheme2, QueryResultMetaNotice } from '@grafana/data';
import { Alert, ClipboardButton, useStyles2 } from '@grafana/ui';

import { Answer } from './useQuery';

/** Errors, notices and the executed command of all answers; what several say is shown once. */
export function Messages({ answers }: { answers: Answer[] }) {
  const styles = useStyles2(getStyles);
  const frames = answers.flatMap(({ response }): DataFrame[] => response?.data ?? []);
  const errors = unique(answers.flatMap(({ response }) => response?.errors ?? []).map(({ message }) => message ?? ''));
  const notices = unique(frames.flatMap(({ meta }) => meta?.notices ?? []).map((notice) => JSON.stringify(notice))).map(
    (notice): QueryResultMetaNotice => JSON.parse(notice)
  );
  const commands = unique(frames.map(({ meta }) => meta?.executedQueryString ?? ''));
  return (
    <>
      {errors.map((message) => (
        <Alert key={message} severity="error" title="The query failed" bottomSpacing={0} data-testid="error">
          <pre className={styles.text}>{message}</pre>
        </Alert>
      ))}
      {notices.map(({ severity, text }) => (
        <Alert key={severity + text} severity={severity} title={text} bottomSpacing={0} data-testid="notice" />
      ))}
      {commands.map((command) => (
        <div key={command} className={styles.command}>
          <code data-testid="command" className={styles.code}>
            {command}
          </code>
          <ClipboardButton size="sm" variant="secondary" icon="copy" getText={() => command}>
            Copy
          </ClipboardButton>
        </div>
      ))}
    </>
  );
}

function unique(texts: string[]): string[] {
  return [...new Set(texts)].filter(Boolean);
}

const getStyles = (theme: GrafanaTheme2) => ({
  text: css({ margin: 0, padding: 0, border: 'none', background: 'none', whiteSpace: 'pre-wrap' }),
  command: css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(1),
    padding: theme.spacing(0.5, 1),
    background: theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
  }),
  code: css({
    flex: 1,
    whiteSpace: 'normal',
    margin: 0,
    padding: 0,
    border: 'none',
    background: 'none',
    overflowWrap: 'anywhere',
  }),
});
