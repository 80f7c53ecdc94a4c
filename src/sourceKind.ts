import { SourceKind, WeirOptions } from './types';

const NATS_URL = /^(nats|tls|wss?):\/\//i;

/** The kind of source that the settings describe, also where they do not name it. */
export function kindOf({ kind, discoveryUrl, natsUrl, servers = [] }: WeirOptions): SourceKind {
  if (kind) {
    return kind;
  }
  if (servers.length > 0) {
    return 'servers';
  }
  return natsUrl ? 'nats' : discoveryUrl ? 'discovery' : 'servers';
}

/**
 * The changes to the settings, with what they imply: an address of a message bus, entered as that of a server, makes
 * NATS the source.
 */
export function changeSource(options: WeirOptions, changes: Partial<WeirOptions>): Partial<WeirOptions> {
  const bus = changes.servers?.find(({ url }) => NATS_URL.test(url)) ?? asServer(changes.discoveryUrl);
  if (!bus || !NATS_URL.test(bus.url)) {
    return changes;
  }
  const servers = (changes.servers ?? options.servers ?? []).filter(({ url }) => !NATS_URL.test(url));
  return { servers, discoveryUrl: undefined, natsUrl: bus.url, kind: 'nats' };
}

function asServer(url: string | undefined) {
  return url === undefined ? undefined : { name: '', url };
}
