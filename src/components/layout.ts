import { Catalog, WeirQuery } from '../types';

/** Width of the label that starts a row of the query editor. */
export const LABEL_WIDTH = 12;

/** A row of the query editor: the query in, changes out. */
export interface RowProps {
  query: WeirQuery;
  onChange: (changes: Partial<WeirQuery>) => void;
}

/** What rows offer to choose from. */
export interface Offer {
  catalog?: Catalog;
  /** Why there is no catalog yet. */
  loading: boolean;
  /** Names of dashboard variables: "$host". */
  variables: string[];
}
