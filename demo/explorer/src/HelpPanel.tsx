import React, { useState } from 'react';
import { PanelChrome } from '@grafana/ui';

import { Plugin, Query, Source } from './plugin';

interface Props {
  plugin: Plugin;
  source: Source;
  query: Query;
  onExample: (query: Query) => void;
}

/** The plugin's help sheet, as Explore shows it. */
export function HelpPanel({ plugin, source, query, onExample }: Props) {
  const [collapsed, setCollapsed] = useState(true);
  return (
    <PanelChrome title="Help" collapsible collapsed={collapsed} onToggleCollapse={setCollapsed}>
      <div data-testid="help">
        <plugin.components.QueryEditorHelp datasource={source} query={query} onClickExample={onExample} />
      </div>
    </PanelChrome>
  );
}
