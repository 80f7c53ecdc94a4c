import { css } from '@emotion/css';
import React, { useEffect, useRef } from 'react';
import { GrafanaTheme2 } from '@grafana/data';
import { CodeEditor, Monaco, MonacoEditor, useStyles2 } from '@grafana/ui';

import { completeBy, Completer, registerCompletion } from '../../condition/completion';
import { bindKeys, ONE_LINE, oneLine } from '../../condition/editor';
import { LANGUAGE, registerLanguage } from '../../condition/language';
import { markFault } from '../../condition/markers';
import { useLatest } from '../../hooks/useLatest';
import { ConditionFault } from '../../types';
import { ConditionProps, PLACEHOLDER } from './PlainInput';

interface Props extends ConditionProps {
  source: Completer;
  fault?: ConditionFault;
  onReady: (editor: MonacoEditor) => void;
}

const HEIGHT = 30;

/** The condition in Grafana's code editor: coloured, completed, and underlined where it is wrong. */
export function CodeInput({ value, source, fault, onChange, onCommit, onReady }: Props) {
  const styles = useStyles2(getStyles, fault !== undefined);
  const mounted = useRef<{ editor: MonacoEditor; monaco: Monaco }>(undefined);
  // The code editor takes its callbacks once.
  const commit = useLatest(onCommit);
  const change = useLatest(onChange);

  useEffect(() => {
    const { editor, monaco } = mounted.current ?? {};
    const model = editor?.getModel();
    if (model && monaco) {
      markFault(monaco, model, fault);
    }
  }, [fault]);

  const beforeMount = (monaco: Monaco) => {
    if (registerLanguage(monaco)) {
      registerCompletion(monaco);
    }
  };
  const afterMount = (editor: MonacoEditor, monaco: Monaco) => {
    mounted.current = { editor, monaco };
    completeBy(editor.getModel()!, source);
    bindKeys(editor, monaco, () => commit.current('enter'));
    onReady(editor);
  };
  return (
    <div className={styles.box} data-testid="condition-editor">
      <CodeEditor
        value={value}
        language={LANGUAGE}
        height={HEIGHT}
        showLineNumbers={false}
        showMiniMap={false}
        monacoOptions={ONE_LINE}
        containerStyles={styles.editor}
        onBeforeEditorMount={beforeMount}
        onEditorDidMount={afterMount}
        onChange={(text) => change.current(oneLine(text))}
        onBlur={() => commit.current('blur')}
      />
      {value === '' && <span className={styles.placeholder}>{PLACEHOLDER}</span>}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2, invalid: boolean) => ({
  box: css({ position: 'relative', width: '100%' }),
  editor: css({
    height: HEIGHT + 2,
    ...(invalid && { borderColor: theme.colors.error.border }),
    '&:focus-within': { outline: `2px solid ${theme.colors.primary.main}`, outlineOffset: 1 },
  }),
  placeholder: css({
    position: 'absolute',
    left: theme.spacing(1.5),
    top: 0,
    lineHeight: `${HEIGHT + 2}px`,
    color: theme.colors.text.disabled,
    fontFamily: theme.typography.fontFamilyMonospace,
    pointerEvents: 'none',
    whiteSpace: 'nowrap',
    overflow: 'hidden',
    maxWidth: '100%',
  }),
});
