// Tests page and front end in Chromium without a backend: the steps of run.mjs against fake-host.mjs, with all hosts up
// and with one down. Wants `npm run build` and `npm run build:explorer` first; arguments are passed on to run.mjs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

async function test(hostArguments, runArguments) {
  const host = spawn(process.execPath, [here('fake-host.mjs'), ...hostArguments], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [url] = await once(createInterface(host.stdout), 'line');
    const all = ['--url', url, '--hosts', 'amsterdam,berlin,chicago', ...runArguments, ...process.argv.slice(2)];
    const run = spawn(process.execPath, [here('run.mjs'), ...all], { stdio: 'inherit' });
    const [code] = await once(run, 'exit');
    return code === 0;
  } finally {
    host.kill();
  }
}

// What Grafana loads before it shows anything, and what it loads with the editors.
const MODULE_LIMIT = 300_000;

async function checkSizes() {
  const dist = here('../../dist');
  const scripts = (await readdir(dist)).filter((name) => name.endsWith('.js'));
  const sizes = await Promise.all(scripts.map(async (name) => (await stat(join(dist, name))).size));
  const module = sizes[scripts.indexOf('module.js')];
  const all = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`front end: module.js ${(module / 1e3).toFixed(1)} kB, with all editors ${(all / 1e3).toFixed(1)} kB`);
  return module < MODULE_LIMIT;
}

const small = await checkSizes();
const allUp = await test([], []);
const oneDown = await test(['--failed-host', 'chicago'], ['--expect-failed-host', 'chicago']);
if (!small) {
  console.log(`FAIL  module.js is larger than ${MODULE_LIMIT / 1e3} kB`);
}
process.exit(small && allUp && oneDown ? 0 : 1);
