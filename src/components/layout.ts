import { WeirQuery } from '../types';

/** Width of the label that starts a row of the query editor. */
export const LABEL_WIDTH = 14;

/** A row of the query editor: the query in, changes out. */
export interface RowProps {
  query: WeirQuery;
  onChange: (changes: Partial<WeirQuery>) => void;
}
