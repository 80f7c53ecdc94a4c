import { useEffect, useState } from 'react';

import { errorText } from '../errorText';
import { Catalog } from '../types';

export interface CatalogState {
  loading: boolean;
  catalog?: Catalog;
  /** Why there is no catalog. */
  error?: string;
}

/** Loads the catalog once per data source. */
export function useCatalog(source: { getCatalog: () => Promise<Catalog> }): CatalogState {
  const [state, setState] = useState<CatalogState>({ loading: true });
  useEffect(() => {
    let current = true;
    const settle = (next: CatalogState) => current && setState(next);
    source.getCatalog().then(
      (catalog) => settle({ loading: false, catalog }),
      (error) => settle({ loading: false, error: errorText(error) })
    );
    return () => {
      current = false;
    };
  }, [source]);
  return state;
}
