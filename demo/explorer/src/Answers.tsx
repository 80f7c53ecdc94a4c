import React from 'react';

import { Graph } from './Graph';
import { Messages } from './Messages';
import { NodeGraph } from './NodeGraph';
import { CellFilter, TablePanels } from './TablePanel';
import { Answer } from './useQuery';

interface Props {
  /** The answer to the query as it is. */
  answer: Answer;
  /** The same flows over time, or as a table: what the other of the two types shows. */
  other: Answer;
  queryType: string;
  onFilter: (filter: CellFilter) => void;
}

/** What a query answers, in the panels that suit its type. */
export function Answers({ answer, other, queryType, onFilter }: Props) {
  const [table, graph] = queryType === 'timeseries' ? [other, answer] : [answer, other];
  const isFlows = hasBoth(queryType);
  return (
    <>
      <Messages answers={isFlows ? [answer, other] : [answer]} />
      {isFlows && <Graph answer={graph} />}
      {queryType === 'nodegraph' ? <NodeGraph answer={answer} /> : <TablePanels answer={table} onFilter={onFilter} />}
    </>
  );
}

/** The types of which the page shows both, a table and a graph. */
export function hasBoth(queryType: string): boolean {
  return queryType === 'table' || queryType === 'timeseries';
}
