import { configure } from '@testing-library/react';
import userEvent, { PointerEventsCheckLevel } from '@testing-library/user-event';

// What an element's role is called is looked up a hundred times faster where nobody asks whether it can be seen: jsdom
// lays nothing out anyway.
configure({ defaultHidden: true });

/** A person who types without pause. */
export function newUser() {
  return userEvent.setup({ delay: null, pointerEventsCheck: PointerEventsCheckLevel.Never });
}

export type User = ReturnType<typeof newUser>;
