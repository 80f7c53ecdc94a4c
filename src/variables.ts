import { Observable } from 'rxjs';
import { CustomVariableSupport, DataQueryRequest, DataQueryResponse } from '@grafana/data';

import { LazyVariableEditor } from './components/lazy';
import type { WeirDataSource } from './datasource';
import { defaultQuery, SavedQuery } from './query';
import { WeirQuery } from './types';

/**
 * Query variables: hosts, interfaces, values and so on. A variable that names another one in its hosts or condition
 * ("company=$company") is asked for again when that one changes.
 */
export class WeirVariables extends CustomVariableSupport<WeirDataSource, WeirQuery, WeirQuery> {
  editor = LazyVariableEditor;

  constructor(private source: WeirDataSource) {
    super();
  }

  getDefaultQuery(): Partial<WeirQuery> {
    return defaultQuery('variable');
  }

  query(request: DataQueryRequest<WeirQuery>): Observable<DataQueryResponse> {
    const targets = request.targets.map((target: SavedQuery) => {
      return { ...target, refId: target.refId || 'variable', queryType: 'variable' } as WeirQuery;
    });
    return this.source.query({ ...request, targets });
  }
}
