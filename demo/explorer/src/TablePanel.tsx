import React, { useMemo } from 'react';
import { DataFrame } from '@grafana/data';
import { PanelChrome, Table, useTheme2 } from '@grafana/ui';

import { prepare } from './frames';
import { Sized } from './Sized';
import { Answer } from './useQuery';

const ROW_HEIGHT = 36;
const MAXIMUM_HEIGHT = 480;

export interface CellFilter {
  key: string;
  value: string;
  operator: '=' | '!=';
}

interface Props {
  answer: Answer;
  onFilter: (filter: CellFilter) => void;
}

/** Every frame as a table. */
export function TablePanels({ answer, onFilter }: Props) {
  const { response, state } = answer;
  const theme = useTheme2();
  const frames = useMemo(() => prepare(response?.data ?? [], theme), [response, theme]);
  const shown = frames.filter((frame) => frame.fields.length > 0);
  const [first, ...others] = shown.length > 0 ? shown : [undefined];
  return (
    <>
      <OneTable frame={first} answered={response !== undefined} state={state} testId="table" onFilter={onFilter} />
      {others.map((frame, at) => (
        <OneTable key={at} frame={frame} answered state={state} testId={`table-${at + 2}`} onFilter={onFilter} />
      ))}
    </>
  );
}

interface OneTableProps {
  frame: DataFrame | undefined;
  answered: boolean;
  state: Answer['state'];
  testId: string;
  onFilter: (filter: CellFilter) => void;
}

function OneTable({ frame, answered, state, testId, onFilter }: OneTableProps) {
  const rows = frame?.length ?? 0;
  const height = Math.min((rows + 1) * ROW_HEIGHT + 4, MAXIMUM_HEIGHT);
  const name = frame?.name ? `Table of ${frame.name}` : 'Table';
  return (
    <PanelChrome title={answered ? `${name}: ${rows} ${rows === 1 ? 'row' : 'rows'}` : name} loadingState={state}>
      <div data-testid={testId}>
        <Sized height={height}>
          {(width) =>
            frame && rows > 0 ? (
              <Table
                data={frame}
                width={width}
                height={height}
                onCellFilterAdded={({ key, value, operator }) => onFilter({ key, value, operator })}
              />
            ) : (
              answered && <p>No data</p>
            )
          }
        </Sized>
      </div>
    </PanelChrome>
  );
}
