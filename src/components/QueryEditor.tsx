import React from 'react';
import { QueryEditorProps } from '@grafana/data';
import { Alert, InlineField, Stack } from '@grafana/ui';

import { WeirDataSource } from '../datasource';
import { useCatalog } from '../hooks/useCatalog';
import { useCommand } from '../hooks/useCommand';
import { useEditing } from '../hooks/useEditing';
import { optionsSummary } from '../optionsSummary';
import { hasControl } from '../queryTypes';
import { WeirOptions, WeirQuery } from '../types';
import { CommandLine } from './CommandLine';
import { ConditionInput } from './condition/ConditionInput';
import { Fold } from './Fold';
import { GroupRow } from './GroupRow';
import { LABEL_WIDTH } from './layout';
import { OptionsRow } from './OptionsRow';
import { TopRow } from './TopRow';
import { TypeRow } from './TypeRow';

type Props = QueryEditorProps<WeirDataSource, WeirQuery, WeirOptions>;

/**
 * The query as a sentence of four rows: show what on which hosts and interfaces, where, grouped by what, top how many.
 * A choice runs the query; typed text runs when it is complete, and never while the condition is wrong.
 */
export function QueryEditor({ datasource, query: saved, data, onChange, onRunQuery }: Props) {
  const { catalog, loading, error } = useCatalog(datasource);
  const { query, draft, fault, change, setDraft, commit } = useEditing({ datasource, saved, onChange, onRunQuery });
  const command = useCommand(datasource, query, data);
  const offer = { catalog, loading, variables: datasource.getVariableNames() };
  const row = { query, onChange: change };
  return (
    <Stack direction="column" gap={0}>
      {error && (
        <Alert severity="warning" title="The servers could not be asked what they offer">
          {error}
        </Alert>
      )}
      <TypeRow {...row} {...offer} />
      {hasControl(query, 'condition') && (
        <InlineField
          label="Where"
          labelWidth={LABEL_WIDTH}
          grow
          tooltip="Runs on Enter, or when you leave the field; Ctrl+Space proposes how to go on"
        >
          <ConditionInput
            id={`weir-${query.refId}-condition`}
            source={datasource}
            value={draft}
            fault={fault}
            onChange={setDraft}
            onCommit={commit}
          />
        </InlineField>
      )}
      {hasControl(query, 'attributes') && <GroupRow {...row} {...offer} />}
      {hasControl(query, 'limit') && <TopRow {...row} />}
      <Fold label="Options" summary={optionsSummary(query)}>
        <OptionsRow {...row} servers={[...datasource.serverNames, ...offer.variables]} />
      </Fold>
      {command && <CommandLine command={command} overNats={datasource.overNats} />}
    </Stack>
  );
}
