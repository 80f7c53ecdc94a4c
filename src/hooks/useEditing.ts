import { decodeQuery, lacks, SavedQuery } from '../query';
import { ConditionCheck, WeirQuery } from '../types';
import { useConditionCheck } from './useConditionCheck';
import { useDraft } from './useDraft';
import { useLatest } from './useLatest';

interface Props {
  datasource: { checkCondition: (text: string) => Promise<ConditionCheck> };
  saved: SavedQuery;
  onChange: (query: WeirQuery) => void;
  onRunQuery: () => void;
}

/** The query under work: what is being typed, what is wrong with it, and when it runs. */
export function useEditing({ datasource, saved, onChange, onRunQuery }: Props) {
  const query = decodeQuery(saved);
  const [draft, setDraft] = useDraft(query.condition);
  const { fault, verify } = useConditionCheck(datasource, draft);
  const runQuery = useLatest(onRunQuery);

  const runIfValid = async (next: WeirQuery) => {
    if (lacks(next) === undefined && (await verify(next.condition))) {
      runQuery.current();
    }
  };
  const change = (changes: Partial<WeirQuery>) => {
    const next = { ...query, ...changes };
    onChange(next);
    runIfValid(next);
  };
  const commit = (how: 'enter' | 'blur') => {
    const next = { ...query, condition: draft.trim() };
    const changed = next.condition !== query.condition;
    if (changed) {
      onChange(next);
    }
    if (changed || how === 'enter') {
      runIfValid(next);
    }
  };
  return { query, draft, fault, change, setDraft, commit };
}
