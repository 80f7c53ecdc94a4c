import { useCallback, useEffect, useState } from 'react';

import { Query, Source } from './plugin';
import { dependsOn, loadOptions, publish, Variable, VARIABLES } from './variables';
import { lastMinutes } from './useQuery';

export interface VariablesState {
  variables: Variable[];
  error?: string;
  choose: (name: string, chosen: string[]) => void;
  edit: (name: string, query: Query) => void;
}

/** The variables with what they list; a choice makes those that name the variable list anew, one after the other. */
export function useVariables(source: Source | undefined, minutes: number, onLoaded: () => void): VariablesState {
  const [variables, setVariables] = useState(VARIABLES);
  const [error, setError] = useState<string>();

  const show = useCallback((next: Variable[]) => {
    publish(next);
    setVariables(next);
  }, []);

  const reload = useCallback(
    async (start: Variable[], stale: Set<string>) => {
      let next = start;
      show(next);
      setError(undefined);
      for (const variable of next) {
        if (source && stale.has(variable.name)) {
          const options = await loadOptions(source, variable, lastMinutes(minutes));
          const chosen = variable.chosen.filter((value) => options.includes(value));
          next = next.map((other) => (other.name === variable.name ? { ...other, options, chosen } : other));
          next.filter((other) => dependsOn(other, variable.name)).forEach(({ name }) => stale.add(name));
          show(next);
        }
      }
    },
    [source, minutes, show]
  );

  useEffect(() => {
    if (source) {
      reload(VARIABLES, new Set(VARIABLES.map(({ name }) => name))).catch((cause) => setError(textOf(cause)));
    }
  }, [source, reload]);

  const start = (next: Variable[], stale: string[]) =>
    reload(next, new Set(stale)).then(onLoaded, (cause) => setError(textOf(cause)));
  return {
    variables,
    error,
    choose: (name, chosen) => {
      const next = variables.map((variable) => (variable.name === name ? { ...variable, chosen } : variable));
      start(
        next,
        next.filter((variable) => dependsOn(variable, name)).map((variable) => variable.name)
      );
    },
    edit: (name, query) => {
      const next = variables.map((variable) => (variable.name === name ? { ...variable, query } : variable));
      start(next, [name]);
    },
  };
}

function textOf(cause: any): string {
  return cause?.data?.message ?? cause?.message ?? String(cause);
}
