import React, { useMemo } from 'react';
import { PanelChrome, Table, useTheme2 } from '@grafana/ui';

import { prepare } from './frames';
import { Sized } from './Sized';
import { Answer } from './useQuery';

const ROW_HEIGHT = 36;
const MAXIMUM_HEIGHT = 480;

/** The first frame as a table. */
export function TablePanel({ answer: { response, state } }: { answer: Answer }) {
  const theme = useTheme2();
  const [frame] = useMemo(() => prepare(response?.data ?? [], theme), [response, theme]);
  const rows = frame?.length ?? 0;
  const height = Math.min((rows + 1) * ROW_HEIGHT + 4, MAXIMUM_HEIGHT);
  return (
    <PanelChrome title={response ? `Table: ${rows} ${rows === 1 ? 'row' : 'rows'}` : 'Table'} loadingState={state}>
      <div data-testid="table">
        <Sized height={height}>
          {(width) => (rows > 0 ? <Table data={frame} width={width} height={height} /> : response && <p>No data</p>)}
        </Sized>
      </div>
    </PanelChrome>
  );
}
