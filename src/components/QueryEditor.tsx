import React, { useEffect, useRef, useState } from 'react';
import { QueryEditorProps } from '@grafana/data';
import { Alert, InlineField, Stack } from '@grafana/ui';

import { WeirDataSource } from '../datasource';
import { useCatalog } from '../hooks/useCatalog';
import { useConditionCheck } from '../hooks/useConditionCheck';
import { decodeQuery } from '../query';
import { WeirOptions, WeirQuery } from '../types';
import { ConditionInput } from './ConditionInput';
import { GroupRow } from './GroupRow';
import { LABEL_WIDTH } from './layout';
import { ScopeRow } from './ScopeRow';
import { SubjectRow } from './SubjectRow';

type Props = QueryEditorProps<WeirDataSource, WeirQuery, WeirOptions>;

/**
 * The query as a sentence of four rows: show what, on which servers and interfaces, where, grouped by what. A choice
 * runs the query; typed text runs when it is complete, and never while the condition is wrong.
 */
export function QueryEditor({ datasource, query: saved, onChange, onRunQuery }: Props) {
  const query = decodeQuery(saved);
  const { catalog, loading, error } = useCatalog(datasource);
  const [draft, setDraft] = useDraft(query.condition);
  const { fault, verify } = useConditionCheck(datasource, draft);
  const runQuery = useLatest(onRunQuery);

  const runIfValid = async (condition: string) => (await verify(condition)) && runQuery.current();
  const change = (changes: Partial<WeirQuery>) => {
    onChange({ ...query, ...changes });
    runIfValid(query.condition);
  };
  const commitCondition = (how: 'enter' | 'blur') => {
    const changed = draft !== query.condition;
    if (changed) {
      onChange({ ...query, condition: draft });
    }
    if (changed || how === 'enter') {
      runIfValid(draft);
    }
  };

  const variables = datasource.getVariableNames();
  return (
    <Stack direction="column" gap={0}>
      {error && (
        <Alert severity="warning" title="The servers could not be asked what they offer">
          {error}
        </Alert>
      )}
      <SubjectRow query={query} onChange={change} />
      <ScopeRow
        query={query}
        servers={[...datasource.serverNames, ...variables]}
        interfaces={[...(catalog?.interfaces ?? []).map(({ name }) => name), ...variables]}
        onChange={change}
      />
      <InlineField label="Where" labelWidth={LABEL_WIDTH} grow tooltip="Runs on Enter, or when you leave the field">
        <ConditionInput
          id={`weir-${query.refId}-condition`}
          value={draft}
          fault={fault}
          onChange={setDraft}
          onCommit={commitCondition}
        />
      </InlineField>
      <GroupRow query={query} catalog={catalog} loading={loading} variables={variables} onChange={change} />
    </Stack>
  );
}

// What is being typed, until the text it started from changes.
function useDraft(text: string): [string, (draft: string) => void] {
  const [state, setState] = useState({ start: text, draft: text });
  if (state.start !== text) {
    setState({ start: text, draft: text });
  }
  return [state.draft, (draft) => setState({ start: text, draft })];
}

function useLatest<T>(value: T) {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
