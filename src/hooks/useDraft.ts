import { useState } from 'react';

/** What is being typed, until the text it started from changes. */
export function useDraft<T>(start: T): [T, (draft: T) => void] {
  const [state, setState] = useState({ start, draft: start });
  if (state.start !== start) {
    setState({ start, draft: start });
  }
  return [state.draft, (draft) => setState({ start, draft })];
}
