import React, { useMemo } from 'react';
import { FieldColorModeId } from '@grafana/data';
import { GraphDrawStyle, LegendDisplayMode, LineInterpolation, VisibilityMode } from '@grafana/schema';
import { PanelChrome, TimeSeries, useTheme2 } from '@grafana/ui';

import { prepare } from './frames';
import { Sized } from './Sized';
import { Answer } from './useQuery';

const HEIGHT = 320;

const STYLE = {
  color: { mode: FieldColorModeId.PaletteClassic },
  custom: {
    drawStyle: GraphDrawStyle.Line,
    lineInterpolation: LineInterpolation.StepBefore,
    lineWidth: 1,
    fillOpacity: 15,
    showPoints: VisibilityMode.Auto,
    pointSize: 5,
    axisSoftMin: 0,
  },
};

const LEGEND = { showLegend: true, displayMode: LegendDisplayMode.List, placement: 'bottom' as const, calcs: [] };

/** The frames as lines over time. */
export function Graph({ answer: { response, range, state } }: { answer: Answer }) {
  const theme = useTheme2();
  const frames = useMemo(() => prepare(response?.data ?? [], theme, STYLE), [response, theme]);
  const drawn = frames.filter((frame) => frame.length > 0);
  return (
    <PanelChrome title={response ? `Graph: ${drawn.length} series` : 'Graph'} loadingState={state}>
      <div data-testid="graph">
        <Sized height={drawn.length > 0 ? HEIGHT : 40}>
          {(width) =>
            range && drawn.length > 0 ? (
              <TimeSeries
                frames={drawn}
                width={width}
                height={HEIGHT}
                timeRange={range}
                timeZone="browser"
                legend={LEGEND}
              />
            ) : (
              response && <p>No data</p>
            )
          }
        </Sized>
      </div>
    </PanelChrome>
  );
}
