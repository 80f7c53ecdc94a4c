// Stands in for the plugin host and a fleet: node fake-host.mjs [--port N] [--failed-host NAME]. It answers every query
// with the same figures, so that page and front end can be worked on without a backend.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { answer, catalog, command, complete, HOSTS, validate } from './fake-answers.mjs';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'failed-host': { type: 'string' } },
});
const failedHost = options['failed-host'];
const root = fileURLToPath(new URL('../..', import.meta.url));
const UID = 'weir';
const PLUGIN = 'weirflow-weir-datasource';
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

function query({ queries, from, to }) {
  const results = {};
  for (const query of queries) {
    results[query.refId] = { status: 200, frames: answer(query, failedHost, Number(from), Number(to)) };
  }
  return { results };
}

// A stream has two messages, one a line: a part, and the whole.
function stream({ data }) {
  const message = (done) => {
    const [frame] = answer(data, failedHost, data.from, data.to);
    return JSON.stringify({
      ...frame,
      schema: { ...frame.schema, meta: { ...frame.schema.meta, custom: { done, total: 3 } } },
    });
  };
  return `${message(1)}\n${message(3)}\n`;
}

const ROUTES = {
  'GET /api/datasources': () => [settings],
  [`PUT /api/datasources/uid/${UID}`]: ({ name, jsonData }) => (settings = { ...settings, name, jsonData }),
  [`GET /api/datasources/uid/${UID}/health`]: () => ({ status: 'OK', message: `3 of 3 servers answer: ${HOSTS}` }),
  [`GET /api/datasources/uid/${UID}/resources/catalog`]: () => catalog(settings.jsonData.servers),
  [`POST /api/datasources/uid/${UID}/resources/validate`]: validate,
  [`POST /api/datasources/uid/${UID}/resources/complete`]: complete,
  [`POST /api/datasources/uid/${UID}/resources/command`]: (query) => ({ command: command(query) }),
  'POST /api/live/run': stream,
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
      const said = route(body);
      response.end(typeof said === 'string' ? said : JSON.stringify(said));
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
