import { Server } from './types';

/** What is wrong with a server of the list; undefined if nothing, or if nothing has been entered yet. */
export function serverFault(server: Server, all: Server[]): string | undefined {
  const { name, url } = server;
  if (name === '' && url === '') {
    return undefined;
  }
  if (name.trim() === '') {
    return 'The server needs a name.';
  }
  if (name.toLowerCase() === 'any' || /[\s,*?@=|"]/.test(name)) {
    return `The name ${name} would have a meaning in a selection of hosts: no blanks, commas or * ? @ = | ", and not "any".`;
  }
  if (all.filter((other) => other.name === name).length > 1) {
    return `Two servers are called ${name}.`;
  }
  if (!isHttpUrl(url)) {
    return 'The URL must look like https://host:8145.';
  }
  return undefined;
}

function isHttpUrl(text: string): boolean {
  try {
    return /^https?:$/.test(new URL(text).protocol);
  } catch {
    return false;
  }
}
