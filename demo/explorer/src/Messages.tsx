import { css } from '@emotion/css';
import React from 'react';
import { DataFrame, QueryResultMetaNotice } from '@grafana/data';
import { Alert, useStyles2 } from '@grafana/ui';

import { Answer } from './useQuery';

/** Errors and notices of all answers; what several say is shown once. */
export function Messages({ answers }: { answers: Answer[] }) {
  const styles = useStyles2(getStyles);
  const frames = answers.flatMap(({ response }): DataFrame[] => response?.data ?? []);
  const errors = unique(answers.flatMap(({ response }) => response?.errors ?? []).map(({ message }) => message ?? ''));
  const notices = unique(frames.flatMap(({ meta }) => meta?.notices ?? []).map((notice) => JSON.stringify(notice))).map(
    (notice): QueryResultMetaNotice => JSON.parse(notice)
  );
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
    </>
  );
}

function unique(texts: string[]): string[] {
  return [...new Set(texts)].filter(Boolean);
}

const getStyles = () => ({
  text: css({ margin: 0, padding: 0, border: 'none', background: 'none', whiteSpace: 'pre-wrap' }),
});
