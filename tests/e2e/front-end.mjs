// Tests page and front end in Chromium without a backend: the steps of run.mjs against fake-host.mjs, with all hosts up
// and with one down. Wants `npm run build` and `npm run build:explorer` first; arguments are passed on to run.mjs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

const allUp = await test([], []);
const oneDown = await test(['--failed-host', 'chicago'], ['--expect-failed-host', 'chicago']);
process.exit(allUp && oneDown ? 0 : 1);
