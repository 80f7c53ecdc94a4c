import { useCallback, useEffect, useRef, useState } from 'react';

import { ConditionCheck, ConditionFault } from '../types';

interface Outcome {
  text: string;
  check: ConditionCheck;
}

interface ConditionChecker {
  /** What is wrong with the text, if that is known by now. */
  fault?: ConditionFault;
  /** Checks a text at once and says whether a query with it may run. A text is asked about once. */
  verify: (text: string) => Promise<boolean>;
}

// Where the backend cannot be asked, the query itself will say what is wrong.
const UNCHECKED: ConditionCheck = { valid: true };

/** Checks a condition while it is typed, delayMs after the last key. */
export function useConditionCheck(
  source: { checkCondition: (text: string) => Promise<ConditionCheck> },
  text: string,
  delayMs = 300
): ConditionChecker {
  const [outcome, setOutcome] = useState<Outcome>();
  const asked = useRef<{ text: string; answer: Promise<ConditionCheck> }>(undefined);

  const verify = useCallback(
    async (text: string) => {
      if (asked.current?.text !== text) {
        asked.current = { text, answer: source.checkCondition(text).catch(() => UNCHECKED) };
      }
      const check = await asked.current.answer;
      if (asked.current.text === text) {
        setOutcome({ text, check });
      }
      return check.valid;
    },
    [source]
  );

  useEffect(() => {
    const timer = setTimeout(() => verify(text), delayMs);
    return () => clearTimeout(timer);
  }, [verify, text, delayMs]);

  return { verify, fault: outcome?.text === text ? outcome.check.error : undefined };
}
