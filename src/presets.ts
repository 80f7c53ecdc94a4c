import { CatalogField, CatalogShorthand } from './types';

/** A usual combination of attributes. */
export interface Preset {
  name: string;
  description: string;
  attributes: string[];
}

const PRESETS: Preset[] = [
  { name: 'Talkers', description: 'who sent', attributes: ['sip'] },
  { name: 'Responders', description: 'who was asked', attributes: ['dip'] },
  { name: 'Conversations', description: 'who talked to whom', attributes: ['sip', 'dip'] },
  { name: 'Services', description: 'what was talked', attributes: ['dport', 'proto'] },
  { name: 'Flows', description: 'who used what of whom', attributes: ['sip', 'dip', 'dport', 'proto'] },
  { name: 'Hosts and interfaces', description: 'who saw it', attributes: ['host', 'iface'] },
  { name: 'Outcomes', description: 'what became of connections', attributes: ['dip', 'dport', 'proto', 'verdict'] },
  {
    name: 'Raw',
    description: 'every row as it was stored',
    attributes: ['time', 'host', 'iface', 'sip', 'dip', 'dport', 'proto'],
  },
];

/**
 * The presets of these fields: the usual ones, and those that the servers name beside them. What a field list lacks, as
 * a graph lacks the time, is left out.
 */
export function presetsOf(fields: CatalogField[], shorthands: CatalogShorthand[]): Preset[] {
  const names = new Set(fields.map(({ name }) => name));
  const possible = (attributes: string[]) => attributes.filter((name) => names.has(name));
  const usual = PRESETS.map((preset) => ({ ...preset, attributes: possible(preset.attributes) }));
  const named = shorthands.map(({ name, fields }) => ({ name, description: '', attributes: possible(fields) }));
  const presets = [...usual, ...named].filter(({ attributes }) => attributes.length > 0);
  return presets.filter(({ attributes }, at) => at === presets.findIndex((p) => same(p.attributes, attributes)));
}

function same(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
