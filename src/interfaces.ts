/** The selection of all interfaces. */
export const ANY = 'any';

/** The parts of an interface selection, as the editor shows them: "eth0,!lo" has two, a regular expression is one. */
export function splitInterfaces(selection: string): string[] {
  if (selection.startsWith('/')) {
    return [selection];
  }
  return selection
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
}

/**
 * The selection after its parts were changed from before to after. The last choice wins where parts exclude each
 * other: naming an interface replaces "any", choosing "any" or a regular expression replaces the names. Exclusions
 * ("!lo") go with everything but regular expressions.
 */
export function joinInterfaces(before: string[], after: string[]): string {
  const added = after.find((part) => !before.includes(part));
  if (added === undefined) {
    return after.join(',') || ANY;
  }
  if (added.startsWith('/')) {
    return added;
  }
  const kept = after.filter((part) => part === added || isExclusion(part) || (isName(part) && added !== ANY));
  if (isExclusion(added) && before.includes(ANY)) {
    kept.unshift(ANY);
  }
  return kept.join(',');
}

function isExclusion(part: string): boolean {
  return part.startsWith('!');
}

function isName(part: string): boolean {
  return part !== ANY && !part.startsWith('/') && !isExclusion(part);
}
