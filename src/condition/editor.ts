import type { CodeEditor, Monaco, MonacoEditor } from '@grafana/ui';
import type { ComponentProps } from 'react';

/** A code editor that looks like an input of one line. */
export const ONE_LINE: ComponentProps<typeof CodeEditor>['monacoOptions'] = {
  ariaLabel: 'Where',
  automaticLayout: true,
  fixedOverflowWidgets: true,
  folding: false,
  fontSize: 13,
  glyphMargin: false,
  hideCursorInOverviewRuler: true,
  lineDecorationsWidth: 8,
  lineNumbers: 'off',
  lineNumbersMinChars: 0,
  links: false,
  occurrencesHighlight: false,
  overviewRulerBorder: false,
  overviewRulerLanes: 0,
  padding: { top: 5, bottom: 5 },
  quickSuggestions: true,
  renderLineHighlight: 'none',
  scrollBeyondLastLine: false,
  scrollbar: { vertical: 'hidden', horizontal: 'hidden', alwaysConsumeMouseWheel: false },
  suggest: { showWords: false },
  suggestSelection: 'first',
  wordBasedSuggestions: false,
  wordWrap: 'off',
};

const FOCUSABLE = 'input, textarea, select, button, a[href], [tabindex]:not([tabindex="-1"])';

const CHOOSING = 'weirChoosingProposal';

/**
 * Keys of an input: Enter completes the text (with Ctrl or Shift, too), Tab takes the proposal that is shown or leaves
 * the input. Enter takes a proposal only from whoever went to it with the arrows: proposals come by themselves.
 */
export function bindKeys(editor: MonacoEditor, monaco: Monaco, onEnter: () => void) {
  const { KeyCode, KeyMod } = monaco;
  const action = (id: string, keys: number[], when: string | undefined, run: () => void) =>
    editor.addAction({ id: `weir.${id}`, label: id, keybindings: keys, keybindingContext: when, run });
  const enter = () => {
    editor.trigger('weir', 'hideSuggestWidget', {});
    onEnter();
  };
  const choosing = editor.createContextKey<boolean>(CHOOSING, false);
  editor.onKeyDown(({ keyCode }) => {
    if (keyCode !== KeyCode.Enter) {
      choosing.set(keyCode === KeyCode.DownArrow || keyCode === KeyCode.UpArrow);
    }
  });
  action('enter', [KeyCode.Enter], `!suggestWidgetVisible || !${CHOOSING}`, enter);
  action('run', [KeyMod.CtrlCmd | KeyCode.Enter, KeyMod.Shift | KeyCode.Enter], undefined, enter);
  action('next', [KeyCode.Tab], '!suggestWidgetVisible', () => leave(editor.getDomNode(), 1));
  action('previous', [KeyMod.Shift | KeyCode.Tab], undefined, () => leave(editor.getDomNode(), -1));
}

/** Gives the focus to what can have it before or after the editor. */
export function leave(editor: HTMLElement | null, step: 1 | -1) {
  const inOrder = [...document.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
    (element) =>
      !element.hasAttribute('disabled') &&
      element.tabIndex >= 0 &&
      (element === document.activeElement || (element.getClientRects().length > 0 && !editor?.contains(element)))
  );
  const at = inOrder.indexOf(document.activeElement as HTMLElement);
  inOrder[at + step]?.focus();
}

/** Pasted text of several lines becomes one line. */
export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ');
}
