import { useEffect, useState } from 'react';
import { PanelData } from '@grafana/data';

import { lacks } from '../query';
import { WeirQuery } from '../types';

interface Source {
  getCommand: (query: WeirQuery) => Promise<string>;
}

/** The command line of a query: as it was executed, else as the backend would write it; undefined if there is none. */
export function useCommand(source: Source, query: WeirQuery, data: PanelData | undefined): string | undefined {
  const executed = data?.series.find(({ refId, meta }) => refId === query.refId && meta?.executedQueryString);
  const [asked, setAsked] = useState<{ about: string; command?: string }>();
  const text = executed?.meta?.executedQueryString;
  const about = text === undefined && lacks(query) === undefined ? JSON.stringify(query) : undefined;
  useEffect(() => {
    if (about === undefined) {
      return;
    }
    let current = true;
    source.getCommand(JSON.parse(about)).then(
      (command) => current && setAsked({ about, command }),
      () => current && setAsked({ about })
    );
    return () => {
      current = false;
    };
  }, [source, about]);
  return text ?? (asked?.about === about ? asked?.command : undefined);
}
