import { RefObject, useEffect, useRef } from 'react';

/** A reference to what a value was in the last render, for callbacks that outlive one. */
export function useLatest<T>(value: T): RefObject<T> {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
