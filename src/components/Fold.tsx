import { css } from '@emotion/css';
import React, { ReactNode, useState } from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { Button, useStyles2 } from '@grafana/ui';

interface Props {
  label: string;
  /** What is set behind the fold, in a few words. */
  summary: string;
  children: ReactNode;
}

/** Hides what is rarely needed, and says what is set in there. */
export function Fold({ label, summary, children }: Props) {
  const styles = useStyles2(getStyles);
  const [open, setOpen] = useState(false);
  return (
    <div>
      <Button
        fill="text"
        size="sm"
        variant="secondary"
        icon={open ? 'angle-down' : 'angle-right'}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        {label}
        {summary && !open && <span className={styles.summary}>{summary}</span>}
      </Button>
      {open && children}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  summary: css({ color: theme.colors.text.secondary, marginLeft: theme.spacing(1), fontWeight: 'normal' }),
});
