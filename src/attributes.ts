/*
 * The names of the condition language that the front end has to know by itself: to colour them, and to turn a filter on
 * a column into a term. docs/FILTER.md is the list; attributes.test.ts holds it against this one.
 */

/** Everything that a condition can compare, with its other names. */
export const CONDITION_ATTRIBUTES = [
  ...['sip', 'src', 'dip', 'dst', 'host', 'snet', 'dnet', 'net', 'dport', 'port', 'proto', 'protocol', 'ipproto'],
  ...['ipversion', 'verdict', 'iface', 'interface', 'hostname', 'hostid', 'host_id', 'dir', 'direction'],
  ...['bytes', 'packets', 'bytes_received', 'bytes_sent', 'packets_received', 'packets_sent'],
  ...['attempts', 'accepts', 'rejects', 'rtt', 'rtt_sum', 'rtt_count'],
];

const LABEL = /^label\.[\w.-]+$/;

// A column "host" holds the host that captured; in a condition, "host" is an address of either side.
const COLUMN_NAMES = new Map([
  ['host', 'hostname'],
  ['address', 'host'],
]);

/** The attribute of the condition language that a column, or the key of a dashboard filter, stands for. */
export function conditionAttribute(column: string): string | undefined {
  const name = COLUMN_NAMES.get(column) ?? column.split('/')[0];
  return CONDITION_ATTRIBUTES.includes(name) || LABEL.test(name) ? name : undefined;
}
