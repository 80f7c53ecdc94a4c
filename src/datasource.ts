import { DataSourceInstanceSettings, ScopedVars } from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';

import { interpolateCondition, interpolateQuery, Replace } from './interpolation';
import { decodeQuery, DEFAULT_QUERY, displayText, isIncomplete, SavedQuery } from './query';
import { Catalog, ConditionCheck, WeirOptions, WeirQuery } from './types';

// Faults are shown where they belong, in the editor, and not as a message over the whole page.
const QUIET = { showErrorAlert: false };

/** The data source as Grafana sees it. Queries run in the backend; here they are prepared. */
export class WeirDataSource extends DataSourceWithBackend<WeirQuery, WeirOptions> {
  /** Names of the configured servers. */
  readonly serverNames: string[];

  constructor(settings: DataSourceInstanceSettings<WeirOptions>) {
    super(settings);
    this.serverNames = (settings.jsonData.servers ?? []).map((server) => server.name).filter(Boolean);
  }

  getDefaultQuery(): Partial<WeirQuery> {
    return DEFAULT_QUERY;
  }

  filterQuery(query: SavedQuery): boolean {
    return !query.hide && !isIncomplete(decodeQuery(query));
  }

  applyTemplateVariables(query: SavedQuery, scopedVars: ScopedVars): WeirQuery {
    return interpolateQuery(decodeQuery(query), replaceWith(scopedVars));
  }

  getQueryDisplayText(query: SavedQuery): string {
    return displayText(decodeQuery(query));
  }

  /** What the servers offer to group by, and their interfaces. */
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

  /** The variables one can put in the place of a name: "$host". */
  getVariableNames(): string[] {
    return getTemplateSrv()
      .getVariables()
      .map((variable) => `$${variable.name}`);
  }
}

function replaceWith(scopedVars: ScopedVars): Replace {
  return (text, format) => getTemplateSrv().replace(text, scopedVars, format);
}
