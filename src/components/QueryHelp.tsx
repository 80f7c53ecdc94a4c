import { css } from '@emotion/css';
import React from 'react';
import { GrafanaTheme2, QueryEditorHelpProps } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';

import { displayText } from '../displayText';
import { CONDITIONS, EXAMPLES } from '../examples';
import { defaultQuery } from '../query';
import { WeirQuery } from '../types';

/** The help sheet: questions with their queries, and conditions. A click on one makes it the query. */
export function QueryHelp({ onClickExample }: QueryEditorHelpProps<WeirQuery>) {
  const styles = useStyles2(getStyles);
  const choose = (query: Omit<WeirQuery, 'refId'>) => onClickExample({ ...query, refId: 'A' } as WeirQuery);
  return (
    <div>
      <h2>Weir: who talked to whom</h2>
      <p>
        A query reads as a sentence: show what, on which hosts and interfaces, where a condition holds, grouped by
        attributes, the top so many. It runs when a choice is made, and on Enter.
      </p>
      <h3>Questions</h3>
      {EXAMPLES.map(({ question, answer, query }) => (
        <Item key={question} title={question} text={answer} onClick={() => choose(query)}>
          {displayText({ ...query, refId: 'A' } as WeirQuery)}
        </Item>
      ))}
      <h3>Conditions</h3>
      {CONDITIONS.map(({ condition, meaning }) => (
        <Item key={condition} text={meaning} onClick={() => choose({ ...defaultQuery('table'), condition })}>
          {condition}
        </Item>
      ))}
      <p className={styles.text}>
        Addresses compare with networks, lists and classes (private, public, multicast …). AND is <code>&amp;</code>, OR{' '}
        <code>|</code>, NOT <code>!</code>; words do, too. The sender is <code>sip</code>, the one that was asked{' '}
        <code>dip</code>, either of them <code>host</code>; the host that captured is <code>hostname</code>.
      </p>
    </div>
  );
}

interface ItemProps {
  title?: string;
  text: string;
  children: string;
  onClick: () => void;
}

function Item({ title, text, children, onClick }: ItemProps) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.item}>
      {title && <strong>{title}</strong>}
      <div className={styles.text}>{text}</div>
      <button type="button" className={styles.example} onClick={onClick}>
        {children}
      </button>
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) => ({
  item: css({ marginBottom: theme.spacing(2) }),
  text: css({ color: theme.colors.text.secondary, marginBottom: theme.spacing(0.5) }),
  example: css({
    display: 'block',
    width: '100%',
    padding: theme.spacing(0.5, 1),
    border: `1px solid ${theme.colors.border.weak}`,
    borderRadius: theme.shape.radius.default,
    background: theme.colors.background.secondary,
    color: theme.colors.text.primary,
    fontFamily: theme.typography.fontFamilyMonospace,
    fontSize: theme.typography.bodySmall.fontSize,
    textAlign: 'left',
    overflowWrap: 'anywhere',
    '&:hover': { background: theme.colors.action.hover },
  }),
});
