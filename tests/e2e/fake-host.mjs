// Stands in for the plugin host and a fleet: node fake-host.mjs [--port N] [--failed-host NAME]. It answers every query
// with the same figures, so that page and front end can be worked on without a backend.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'failed-host': { type: 'string' } },
});
const failedHost = options['failed-host'];
const root = fileURLToPath(new URL('../..', import.meta.url));
const UID = 'weir';
const PLUGIN = 'weirflow-weir-datasource';
const HOSTS = ['amsterdam', 'berlin', 'chicago'];
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

let settings = {
  id: 1,
  uid: UID,
  name: 'Weir',
  type: PLUGIN,
  jsonData: { servers: HOSTS.map((name, i) => ({ name, url: `http://127.0.0.1:${8145 + i}` })) },
  secureJsonFields: { token: true },
};

const field = (name, kind, type, title, description) => ({
  name,
  kind,
  type,
  title,
  description,
  query: true,
  filter: kind === 'attribute',
});
const fields = [
  field('time', 'label', 'time', 'Time', 'end of the interval the row was counted in'),
  field('host', 'label', 'string', 'Host', 'name of the host that captured'),
  field('iface', 'label', 'string', 'Interface', 'interface that captured'),
  field('sip', 'attribute', 'address', 'Source IP', 'address of the initiator'),
  field('dip', 'attribute', 'address', 'Destination IP', 'address of the responder'),
  field('dport', 'attribute', 'port', 'Destination port', 'port of the responder'),
  field('proto', 'attribute', 'protocol', 'Protocol', 'IP protocol'),
];
const catalog = {
  servers: settings.jsonData.servers.map((server) => ({ ...server, state: 'ok' })),
  interfaces: [
    { name: 'eth0', servers: HOSTS },
    { name: 'wan0', servers: ['berlin'] },
  ],
  fields,
  shorthands: [
    { name: 'talk_conv', fields: ['sip', 'dip'] },
    { name: 'agg_talk_port', fields: ['sip', 'dip', 'dport', 'proto'] },
  ],
};

function validate({ condition }) {
  const offset = condition.indexOf('dprot');
  if (offset < 0) {
    return { valid: true, normalised: condition };
  }
  const message = `column ${offset + 1}: "dprot" is not an attribute; did you mean "dport"?`;
  const diagram = `${condition}\n${' '.repeat(offset)}^\n${message}`;
  return { valid: false, error: { message, offset, length: 5, expected: ['attribute'], nearest: 'dport', diagram } };
}

const up = HOSTS.filter((host) => host !== failedHost);
const values = {
  host: (i) => up[i % up.length],
  iface: () => 'eth0',
  sip: (i) => (i % 4 === 3 ? `2001:db8::${(i + 10).toString(16)}` : `192.0.2.${10 + i}`),
  dip: (i) => (i % 4 === 3 ? '2001:db8::53' : `198.51.100.${1 + (i % 3)}`),
  dport: (i) => ['443', '80', '53', '22'][i % 4],
  proto: (i) => (i % 4 === 2 ? 'udp' : 'tcp'),
};
const bytes = (i, at = 0) => Math.round((4e7 / (i + 1)) * (1 + 0.4 * Math.sin(at / 3 + i)));

function meta(query, first) {
  const { attributes, condition, interfaces } = query;
  const command = `weir query -i ${interfaces}${condition ? ` -c '${condition}'` : ''} ${attributes.join(',')}`;
  const text = `1 of 3 hosts did not answer: ${failedHost} (connection refused)`;
  return first && { executedQueryString: command, notices: failedHost ? [{ severity: 'warning', text }] : [] };
}

function table(query) {
  const size = query.attributes.join() === 'host' ? up.length : Math.min(query.limit, 25);
  const every = (make) => Array.from({ length: size }, (_, i) => make(i));
  const dimensions = query.attributes.map((name) => fields.find((field) => field.name === name));
  const text = dimensions.map(({ name, title }) => ({ name, type: 'string', config: { displayNameFromDS: title } }));
  const amount = (name, title) => ({ name, type: 'number', config: { displayNameFromDS: title, unit: 'decbytes' } });
  return [
    {
      schema: {
        meta: meta(query, true),
        fields: [...text, amount('bytes_received', 'Bytes received'), amount('bytes_sent', 'Bytes sent')],
      },
      data: {
        values: [
          ...query.attributes.map((name) => every(values[name])),
          every((i) => bytes(i)),
          every((i) => bytes(i) / 9),
        ],
      },
    },
  ];
}

function series(query, from, to) {
  const groups = Math.min(query.attributes.join() === 'host' ? up.length : query.limit, 6);
  const step = (to - from) / 30;
  const times = Array.from({ length: 30 }, (_, at) => Math.round(from + (at + 1) * step));
  return Array.from({ length: groups }, (_, i) => {
    const name = query.attributes.map((attribute) => values[attribute](i)).join(' ') || 'total';
    return {
      schema: {
        meta: meta(query, i === 0),
        fields: [
          { name: 'time', type: 'time' },
          { name: 'bytes', type: 'number', config: { displayNameFromDS: name, unit: 'bps' } },
        ],
      },
      data: { values: [times, times.map((_, at) => bytes(i, at))] },
    };
  });
}

function query({ queries, from, to }) {
  const results = {};
  for (const query of queries) {
    const frames = query.queryType === 'table' ? table(query) : series(query, Number(from), Number(to));
    results[query.refId] = { status: 200, frames };
  }
  return { results };
}

const ROUTES = {
  'GET /api/datasources': () => [settings],
  [`PUT /api/datasources/uid/${UID}`]: ({ name, jsonData }) => (settings = { ...settings, name, jsonData }),
  [`GET /api/datasources/uid/${UID}/health`]: () => ({ status: 'OK', message: `3 of 3 servers answer: ${HOSTS}` }),
  [`GET /api/datasources/uid/${UID}/resources/catalog`]: () => catalog,
  [`POST /api/datasources/uid/${UID}/resources/validate`]: validate,
  'POST /api/ds/query': query,
};

function file(path) {
  const plugin = `/public/plugins/${PLUGIN}/`;
  return path.startsWith(plugin)
    ? join(root, 'dist', normalize(path.slice(plugin.length)))
    : join(root, 'demo/explorer/dist', normalize(path === '/' ? 'index.html' : path));
}

async function readBody(request) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
  }
  return text === '' ? undefined : JSON.parse(text);
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const route = ROUTES[`${request.method} ${pathname}`];
  try {
    if (route) {
      const body = await readBody(request);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(route(body)));
      return;
    }
    const path = file(pathname);
    const content = await readFile(path);
    response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
    response.end(content);
  } catch (error) {
    response.statusCode = error.code === 'ENOENT' ? 404 : 500;
    response.end(JSON.stringify({ message: `${request.method} ${pathname}: ${error.message}` }));
  }
});
server.listen(Number(options.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
