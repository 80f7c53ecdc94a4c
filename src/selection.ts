/** The parts of a selection of hosts: names, globs, @groups and label terms. */
export function splitHosts(selection: string): string[] {
  return selection
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part !== 'any');
}

/** The selection of these parts; none of them is every host. */
export function joinHosts(parts: string[]): string {
  return splitHosts(parts.join(',')).join(',');
}
