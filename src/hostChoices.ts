import { CatalogHost } from './types';

interface Choice {
  name: string;
  description?: string;
}

/** What a selection of hosts can be made of: hosts, groups, labels with their values, and dashboard variables. */
export function hostChoices(hosts: CatalogHost[], variables: string[]): Choice[] {
  const labels = hosts.flatMap((host) => Object.entries(host.labels ?? {}));
  const keys = unique(labels.map(([key]) => key));
  return [
    ...hosts.map(({ name, state, labels = {} }) => ({ name, description: describe(state, labels) })),
    ...unique(hosts.flatMap(({ groups = [] }) => groups)).map((group) => ({
      name: `@${group}`,
      description: 'group of hosts',
    })),
    ...unique(labels.map(([key, value]) => `${key}=${value}`)).map((name) => ({
      name,
      description: 'hosts with this label',
    })),
    ...variables.map((name) => ({ name, description: 'dashboard variable' })),
    // "company=$company": a label follows a variable of its own name.
    ...keys
      .filter((key) => variables.includes(`$${key}`))
      .map((key) => ({ name: `${key}=$${key}`, description: `hosts whose ${key} is chosen in the dashboard` })),
  ];
}

function describe(state: string | undefined, labels: Record<string, string>): string | undefined {
  const texts = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return [state === 'ok' ? '' : state, ...texts].filter(Boolean).join(', ') || undefined;
}

function unique(texts: string[]): string[] {
  return [...new Set(texts)].sort();
}
