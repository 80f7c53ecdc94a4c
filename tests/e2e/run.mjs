// Drives the explorer in Chromium: node run.mjs --url URL [--screenshots DIR] [--hosts a,b,c] [--condition TEXT]
// [--expect-failed-host NAME]. Without --expect-failed-host all hosts are up; with it, all but that one.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { openBrowser } from './browser.mjs';
import { Explorer } from './explorer.mjs';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    screenshots: { type: 'string' },
    hosts: { type: 'string' },
    condition: { type: 'string', default: 'proto = tcp | proto = udp' },
    'expect-failed-host': { type: 'string' },
  },
});
if (!options.url) {
  console.error('run.mjs: --url is missing: the address of the plugin host');
  process.exit(2);
}
const hosts = options.hosts?.split(',') ?? [];
const failedHost = options['expect-failed-host'];

const WITH_ALL_HOSTS = [
  ['the default query shows a table and a graph', showsSomethingAtOnce],
  ['a condition narrows them', narrowsByCondition],
  ['a wrong condition is explained and does not run', explainsWrongCondition],
  ['every host has its row', showsEveryHost],
  ['the settings can be saved and tested', savesAndTestsSettings],
];
const WITH_ONE_DOWN = [['the others have rows, a notice names the missing host', namesTheMissingHost]];

async function showsSomethingAtOnce(explorer) {
  await explorer.runUntilData();
  await screenshot(explorer, 'explorer');
}

async function narrowsByCondition(explorer) {
  await explorer.enterCondition(options.condition);
  await explorer.runUntilData();
  const words = options.condition.split(/[^\w]+/);
  const command = await explorer.command();
  assert.match(command, /^weir query /);
  assert.ok(
    words.every((word) => command.includes(word)),
    `the command lacks the condition: ${command}`
  );
  await screenshot(explorer, 'explorer-condition');
}

async function explainsWrongCondition(explorer) {
  const before = explorer.queries;
  await explorer.typeCondition('proto = tcp & dprot = 443');
  await explorer.fault.waitFor();
  await explorer.condition.press('Enter');
  const [text, caret, ...message] = (await explorer.fault.innerText()).split('\n');
  assert.ok(text.slice(caret.indexOf('^')).startsWith('dprot'), `the caret is elsewhere:\n${text}\n${caret}`);
  assert.match(message.join(' '), /dport/);
  assert.doesNotMatch(message.join('\n'), /goroutine|\.go:\d|\n\s+at /, 'a stack trace');
  assert.equal(explorer.queries, before, 'it ran');
  await screenshot(explorer, 'explorer-condition-fault');
  await explorer.enterCondition('');
}

async function showsEveryHost(explorer) {
  await explorer.groupBy('host');
  await explorer.runUntilData();
  const seen = (await explorer.rows()).map((cells) => cells[0]);
  assert.deepEqual(
    hosts.filter((host) => !seen.includes(host)),
    [],
    `hosts without a row; there are rows of ${seen}`
  );
  assert.deepEqual(await explorer.errors(), []);
  await screenshot(explorer, 'explorer-hosts');
}

async function savesAndTestsSettings(explorer) {
  const { page } = explorer;
  const succeeded = page.getByTestId('outcome-success');
  await page.getByRole('button', { name: 'Data source settings' }).click();
  for (const [number, host] of hosts.entries()) {
    assert.equal(await page.getByLabel(`Name of server ${number + 1}`).inputValue(), host);
  }
  await page.getByTestId('save').click();
  await succeeded.filter({ hasText: 'Settings saved' }).waitFor();
  await page.getByTestId('test').click();
  await succeeded.filter({ hasNotText: 'Settings saved' }).waitFor();
  await explorer.settle();
  await screenshot(explorer, 'explorer-settings');
}

async function namesTheMissingHost(explorer) {
  await explorer.groupBy('host');
  await explorer.runUntilData();
  const seen = (await explorer.rows()).map((cells) => cells[0]);
  const others = hosts.filter((host) => host !== failedHost);
  assert.ok(seen.length >= Math.max(2, others.length), `rows of ${seen} only`);
  assert.deepEqual(
    others.filter((host) => !seen.includes(host)),
    []
  );
  const notices = await explorer.notices();
  assert.ok(
    notices.some((text) => text.includes(failedHost)),
    `no notice names ${failedHost}: ${JSON.stringify(notices)}`
  );
  await screenshot(explorer, 'explorer-failed-host');
}

async function screenshot(explorer, name) {
  if (options.screenshots) {
    await mkdir(options.screenshots, { recursive: true });
    await explorer.page.screenshot({ path: join(options.screenshots, `${name}.png`), fullPage: true });
  }
}

const { browser, page, complaints } = await openBrowser();
let failed = 0;
try {
  const explorer = new Explorer(page);
  await explorer.open(options.url);
  for (const [what, step] of failedHost ? WITH_ONE_DOWN : WITH_ALL_HOSTS) {
    try {
      await step(explorer);
      console.log(`ok    ${what}`);
    } catch (error) {
      failed++;
      console.log(`FAIL  ${what}\n${error.message}`);
      await screenshot(explorer, `failure-${failed}`);
    }
  }
} catch (error) {
  failed++;
  console.log(`FAIL  open ${options.url}\n${error.message}`);
} finally {
  await browser.close();
}
for (const complaint of new Set(complaints)) {
  console.log(`FAIL  the page reports ${complaint}`);
}
process.exit(failed + complaints.length > 0 ? 1 : 0);
