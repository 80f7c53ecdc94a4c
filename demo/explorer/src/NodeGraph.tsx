import React, { useMemo } from 'react';
import { DataFrame } from '@grafana/data';
import { PanelChrome, useTheme2 } from '@grafana/ui';

import { Sized } from './Sized';
import { Answer } from './useQuery';

const HEIGHT = 520;
const RADIUS = 14;

interface Point {
  id: string;
  title: string;
  stat: string;
  x: number;
  y: number;
}

/** The frames "nodes" and "edges" as a drawing: nodes on a circle, edges as thick as they say. */
export function NodeGraph({ answer: { response, state } }: { answer: Answer }) {
  const theme = useTheme2();
  const frames: DataFrame[] = useMemo(() => response?.data ?? [], [response]);
  const nodes = rowsOf(frames.find(({ name }) => name === 'nodes'));
  const edges = rowsOf(frames.find(({ name }) => name === 'edges'));
  return (
    <PanelChrome title={`Node graph: ${nodes.length} nodes, ${edges.length} edges`} loadingState={state}>
      <div data-testid="nodegraph">
        <Sized height={nodes.length > 0 ? HEIGHT : 40}>
          {(width) => {
            if (nodes.length === 0) {
              return response && <p>No data</p>;
            }
            const points = place(nodes, width);
            const byId = new Map(points.map((point) => [point.id, point]));
            return (
              <svg width={width} height={HEIGHT} role="img" aria-label="Who talks to whom">
                {edges.map((edge, at) => {
                  const from = byId.get(String(edge.source));
                  const to = byId.get(String(edge.target));
                  return (
                    from &&
                    to && (
                      <line
                        key={at}
                        data-testid="edge"
                        x1={from.x}
                        y1={from.y}
                        x2={to.x}
                        y2={to.y}
                        stroke={theme.colors.border.strong}
                        strokeWidth={Math.min(Number(edge.thickness ?? 1), 8)}
                      >
                        <title>{`${from.title} → ${to.title}: ${edge.mainstat ?? ''} ${edge.secondarystat ?? ''}`}</title>
                      </line>
                    )
                  );
                })}
                {points.map((point) => (
                  <g key={point.id} data-testid="node" transform={`translate(${point.x} ${point.y})`}>
                    <circle r={RADIUS} fill={theme.colors.primary.main} />
                    <text y={RADIUS + 14} textAnchor="middle" fontSize={12} fill={theme.colors.text.primary}>
                      {point.title}
                    </text>
                    <text y={RADIUS + 28} textAnchor="middle" fontSize={11} fill={theme.colors.text.secondary}>
                      {point.stat}
                    </text>
                  </g>
                ))}
              </svg>
            );
          }}
        </Sized>
      </div>
    </PanelChrome>
  );
}

type Row = Record<string, unknown>;

function rowsOf(frame: DataFrame | undefined): Row[] {
  return Array.from({ length: frame?.length ?? 0 }, (_, row) =>
    Object.fromEntries(frame!.fields.map(({ name, values }) => [name, values[row]]))
  );
}

function place(nodes: Row[], width: number): Point[] {
  const [across, down] = [width / 2 - 120, HEIGHT / 2 - 60];
  return nodes.map(({ id, title, mainstat }, at) => {
    const angle = (2 * Math.PI * at) / nodes.length - Math.PI / 2;
    const [x, y] = [width / 2 + across * Math.cos(angle), HEIGHT / 2 - 10 + down * Math.sin(angle)];
    return { id: String(id), title: String(title ?? id), stat: String(mainstat ?? ''), x, y };
  });
}
