import React from 'react';
import { InlineField, TextArea } from '@grafana/ui';

import { useDraft } from '../hooks/useDraft';
import { CatalogList } from '../types';
import { RowProps } from './layout';

interface Props extends RowProps {
  lists: CatalogList[];
}

/** Which actors: a list by its name, or addresses. */
export function ActorsField({ query, lists, onChange }: Props) {
  const [draft, setDraft] = useDraft(query.actors);
  const commit = () => draft.trim() !== query.actors && onChange({ actors: draft.trim() });
  const known = lists.map(({ name }) => `@${name}`).join(', ');
  return (
    <InlineField
      label="of list or addresses"
      tooltip={`A list by its name${known ? ` (${known})` : ' (@name)'}, or addresses and networks with blanks, commas or new lines between them. Ctrl+Enter runs.`}
      invalid={query.actors === ''}
    >
      <TextArea
        id={`weir-${query.refId}-actors`}
        rows={draft.includes('\n') ? 3 : 1}
        cols={36}
        value={draft}
        placeholder={known || '@list, or 192.0.2.7, 198.51.100.0/24 …'}
        spellCheck={false}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => event.key === 'Enter' && (event.ctrlKey || event.metaKey) && commit()}
        onBlur={commit}
      />
    </InlineField>
  );
}
