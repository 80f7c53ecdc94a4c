import type { Monaco, monacoTypes } from '@grafana/ui';

import { ConditionFault } from '../types';
import { indexOfByte } from './bytes';

const OWNER = 'weir';

/** Underlines the part of the text that is wrong, or nothing. */
export function markFault(monaco: Monaco, model: monacoTypes.editor.ITextModel, fault: ConditionFault | undefined) {
  monaco.editor.setModelMarkers(model, OWNER, fault ? [marker(monaco, model, fault)] : []);
}

function marker(monaco: Monaco, model: monacoTypes.editor.ITextModel, fault: ConditionFault) {
  const text = model.getValue();
  const start = indexOfByte(text, fault.offset);
  const end = indexOfByte(text, fault.offset + fault.length);
  // A fault at the end of the text has no length: the last character is marked.
  const from = model.getPositionAt(end > start ? start : Math.max(start - 1, 0));
  const to = model.getPositionAt(Math.max(end, start));
  return {
    severity: monaco.MarkerSeverity.Error,
    message: fault.message,
    startLineNumber: from.lineNumber,
    startColumn: from.column,
    endLineNumber: to.lineNumber,
    endColumn: to.column,
  };
}
