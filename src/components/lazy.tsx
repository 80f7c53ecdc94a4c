import React, { ComponentType, lazy, LazyExoticComponent, Suspense } from 'react';
import { LoadingPlaceholder } from '@grafana/ui';

/*
 * Editors are loaded when somebody opens one: a dashboard that is only looked at does without them.
 */

function whenLoaded<P extends object>(Editor: LazyExoticComponent<ComponentType<P>>): ComponentType<P> {
  return function Loaded(props: P) {
    return (
      <Suspense fallback={<LoadingPlaceholder text="Loading the editor …" />}>
        <Editor {...props} />
      </Suspense>
    );
  };
}

export const LazyQueryEditor = whenLoaded(
  lazy(() =>
    import(/* webpackChunkName: "query-editor" */ './QueryEditor').then(({ QueryEditor }) => ({ default: QueryEditor }))
  )
);

export const LazyConfigEditor = whenLoaded(
  lazy(() =>
    import(/* webpackChunkName: "config-editor" */ './config/ConfigEditor').then(({ ConfigEditor }) => ({
      default: ConfigEditor,
    }))
  )
);

export const LazyVariableEditor = whenLoaded(
  lazy(() =>
    import(/* webpackChunkName: "variable-editor" */ './VariableEditor').then(({ VariableEditor }) => ({
      default: VariableEditor,
    }))
  )
);

export const LazyQueryHelp = whenLoaded(
  lazy(() =>
    import(/* webpackChunkName: "query-help" */ './QueryHelp').then(({ QueryHelp }) => ({ default: QueryHelp }))
  )
);
