import { Observable, throwError } from 'rxjs';
import {
  AdHocVariableFilter,
  AnnotationSupport,
  CoreApp,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceInstanceSettings,
  MetricFindValue,
  QueryFixAction,
  ScopedVars,
  TimeRange,
} from '@grafana/data';
import { DataSourceWithBackend, getGrafanaLiveSrv, getTemplateSrv } from '@grafana/runtime';

import { conditionAttribute } from './attributes';
import { withFilters } from './conditionText';
import { displayText } from './displayText';
import { interpolateCondition, interpolateQuery, Replace } from './interpolation';
import { modifyQuery } from './modifyQuery';
import { decodeQuery, DEFAULT_QUERY, defaultQuery, lacks, SavedQuery } from './query';
import { canStream, streamQuery, together } from './streaming';
import { filterKeys } from './tags';
import { Catalog, Completion, ConditionCheck, WeirOptions, WeirQuery } from './types';
import { kindOf } from './sourceKind';
import { WeirVariables } from './variables';

// Faults are shown where they belong, in the editor, and not as a message over the whole page.
const QUIET = { showErrorAlert: false };

/** The data source as Grafana sees it. Queries run in the backend; here they are prepared. */
export class WeirDataSource extends DataSourceWithBackend<WeirQuery, WeirOptions> {
  /** Names of the configured servers. */
  readonly serverNames: string[];
  /** The servers answer over NATS, which command lines do not speak. */
  readonly overNats: boolean;

  annotations: AnnotationSupport<WeirQuery> = { getDefaultQuery: () => defaultQuery('annotations') };

  constructor(settings: DataSourceInstanceSettings<WeirOptions>) {
    super(settings);
    this.serverNames = (settings.jsonData.servers ?? []).map((server) => server.name).filter(Boolean);
    this.overNats = kindOf(settings.jsonData) === 'nats';
    this.variables = new WeirVariables(this);
  }

  getDefaultQuery(_app?: CoreApp): Partial<WeirQuery> {
    return DEFAULT_QUERY;
  }

  filterQuery(query: SavedQuery): boolean {
    return !query.hide && lacks(decodeQuery(query)) === undefined;
  }

  /** Runs the queries; those that ask for partial answers are streamed where somebody looks on. */
  query(request: DataQueryRequest<WeirQuery>): Observable<DataQueryResponse> {
    try {
      const ready = request.targets
        .filter((target) => this.filterQuery(target))
        .map((target) => this.applyTemplateVariables(target, request.scopedVars, request.filters));
      const live = ready.filter((query) => canStream(query, request));
      const rest = ready.filter((query) => !live.includes(query));
      const plain = (targets: WeirQuery[]) => super.query({ ...request, targets, filters: [] });
      return together([
        ...(rest.length > 0 || live.length === 0 ? [plain(rest)] : []),
        ...live.map((query) => streamQuery(getGrafanaLiveSrv(), this.uid, query, request, () => plain([query]))),
      ]);
    } catch (error) {
      return throwError(() => error);
    }
  }

  applyTemplateVariables(query: SavedQuery, scopedVars: ScopedVars, filters?: AdHocVariableFilter[]): WeirQuery {
    const replaced = interpolateQuery(decodeQuery(query), replaceWith(scopedVars));
    return { ...replaced, condition: withFilters(replaced.condition, filters) };
  }

  getQueryDisplayText(query: SavedQuery): string {
    return displayText(decodeQuery(query));
  }

  modifyQuery(query: SavedQuery, action: QueryFixAction): WeirQuery {
    return modifyQuery(decodeQuery(query), action);
  }

  /** What dashboard filters can be on. */
  async getTagKeys(): Promise<MetricFindValue[]> {
    return filterKeys(await this.getCatalog());
  }

  /** The values that a dashboard filter offers: those with the most traffic. */
  getTagValues({ key, timeRange }: { key: string; timeRange?: TimeRange }): Promise<MetricFindValue[]> {
    return conditionAttribute(key) === undefined ? Promise.resolve([]) : this.getValues(key, timeRange);
  }

  /** What the servers offer to group by, their interfaces, hosts and lists. */
  getCatalog(): Promise<Catalog> {
    return this.getResource<Catalog>('catalog', undefined, QUIET);
  }

  /** Asks the backend's parser, with variables replaced. An empty condition is valid without asking. */
  async checkCondition(condition: string): Promise<ConditionCheck> {
    const text = interpolateCondition(condition, replaceWith({}));
    if (text.trim() === '') {
      return { valid: true };
    }
    return this.postResource<ConditionCheck>('validate', { condition: text }, QUIET);
  }

  /** Asks the backend how a condition may go on at the cursor, in bytes. */
  complete(text: string, cursor: number): Promise<Completion[]> {
    return this.postResource<Completion[]>('complete', { text, cursor }, QUIET);
  }

  /** The command line that gives the same answer. */
  async getCommand(query: WeirQuery): Promise<string> {
    const body = interpolateQuery(query, replaceWith({}));
    return (await this.postResource<{ command: string }>('command', body, QUIET)).command;
  }

  /** The variables one can put in the place of a name: "$host". */
  getVariableNames(): string[] {
    return getTemplateSrv()
      .getVariables()
      .map((variable) => `$${variable.name}`);
  }

  private getValues(attribute: string, range?: TimeRange): Promise<MetricFindValue[]> {
    const times = range && { from: range.from.toISOString(), to: range.to.toISOString() };
    return this.postResource<MetricFindValue[]>('values', { attribute, range: times }, QUIET);
  }
}

function replaceWith(scopedVars: ScopedVars): Replace {
  return (text, format) => getTemplateSrv().replace(text, scopedVars, format);
}
