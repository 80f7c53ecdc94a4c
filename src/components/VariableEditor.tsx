import React from 'react';
import { QueryEditorProps } from '@grafana/data';
import { Combobox, InlineField, Stack } from '@grafana/ui';

import { WeirDataSource } from '../datasource';
import { useCatalog } from '../hooks/useCatalog';
import { useEditing } from '../hooks/useEditing';
import { lacks } from '../query';
import { CatalogHost, VariableKind, WeirOptions, WeirQuery } from '../types';
import { ConditionInput } from './condition/ConditionInput';
import { LABEL_WIDTH, Offer, RowProps } from './layout';
import { TypeRow } from './TypeRow';

type Props = QueryEditorProps<WeirDataSource, WeirQuery, WeirOptions, WeirQuery>;

const KINDS: Array<{ value: VariableKind; label: string; description: string }> = [
  { value: 'hosts', label: 'Hosts', description: 'names of the hosts that capture' },
  { value: 'interfaces', label: 'Interfaces', description: 'of these hosts' },
  { value: 'labelValues', label: 'Values of a label', description: 'companies, customers, sites …' },
  { value: 'labels', label: 'Labels', description: 'names of the labels of these hosts' },
  { value: 'values', label: 'Values of an attribute', description: 'those with the most traffic' },
  { value: 'attributes', label: 'Attributes', description: 'what one can group by' },
  { value: 'lists', label: 'Lists', description: 'address lists that the servers know' },
  { value: 'servers', label: 'Servers', description: 'of this data source' },
];

// What depends on which hosts are chosen, and on which flows.
const OF_HOSTS: VariableKind[] = ['hosts', 'interfaces', 'labels', 'labelValues', 'values'];

/**
 * What a dashboard variable lists. Hosts may name another variable ("company=$company"): then this one follows it.
 */
export function VariableEditor({ datasource, query: saved, onChange, onRunQuery }: Props) {
  const { catalog, loading } = useCatalog(datasource);
  const asVariable = { ...saved, refId: saved?.refId || 'variable', queryType: 'variable' as const };
  const editing = useEditing({ datasource, saved: asVariable, onChange, onRunQuery });
  const { query, draft, fault, change, setDraft, commit } = editing;
  const kind = query.variable || 'hosts';
  const row = { query, onChange: change, catalog, loading, variables: datasource.getVariableNames() };
  return (
    <Stack direction="column" gap={0}>
      <Stack direction="row" wrap="wrap" gap={0.5}>
        <InlineField label="List" labelWidth={LABEL_WIDTH}>
          <Combobox
            id={`weir-${query.refId}-variable`}
            width={26}
            options={KINDS}
            value={kind}
            onChange={({ value }) => change({ variable: value })}
          />
        </InlineField>
        {kind === 'labelValues' && <LabelField {...row} />}
        {kind === 'values' && <AttributeField {...row} />}
      </Stack>
      {OF_HOSTS.includes(kind) && <TypeRow {...row} />}
      {kind === 'values' && (
        <InlineField label="Where" labelWidth={LABEL_WIDTH} grow>
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
    </Stack>
  );
}

function LabelField({ query, catalog, onChange }: RowProps & Offer) {
  return (
    <InlineField label="label" invalid={lacks(query) !== undefined} error={lacks(query)}>
      <Combobox
        id={`weir-${query.refId}-label`}
        width={26}
        createCustomValue
        options={labelsOf(catalog?.hosts ?? []).map((value) => ({ value }))}
        value={query.label || null}
        onChange={({ value }) => onChange({ label: value })}
      />
    </InlineField>
  );
}

function AttributeField({ query, catalog, onChange }: RowProps & Offer) {
  const fields = (catalog?.fields ?? []).filter((field) => field.query && field.type !== 'time');
  return (
    <InlineField label="attribute" invalid={lacks(query) !== undefined} error={lacks(query)}>
      <Combobox
        id={`weir-${query.refId}-attribute`}
        width={26}
        createCustomValue
        options={fields.map(({ name, title }) => ({ value: name, label: name, description: title }))}
        value={query.attributes[0] ?? null}
        onChange={({ value }) => onChange({ attributes: [value] })}
      />
    </InlineField>
  );
}

function labelsOf(hosts: CatalogHost[]): string[] {
  return [...new Set(hosts.flatMap((host) => Object.keys(host.labels ?? {})))].sort();
}
