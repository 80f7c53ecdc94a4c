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
  ['the condition is completed', completesCondition],
  ['a condition narrows them', narrowsByCondition],
  ['a wrong condition is underlined, explained and does not run', explainsWrongCondition],
  ['every host has its row', showsEveryHost],
  ['every type of query is answered', answersEveryType],
  ['every choice runs', runsEveryChoice],
  ['every option runs', runsEveryOption],
  ['a stream shows the same answer', streams],
  ['variables follow each other, and queries follow them', followsVariables],
  ['the help sheet has examples to try', triesAnExample],
  ['the settings can be saved and tested', savesAndTestsSettings],
];
const WITH_ONE_DOWN = [['the others have rows, a notice names the missing host', namesTheMissingHost]];

async function showsSomethingAtOnce(explorer) {
  await explorer.runUntilData();
  await screenshot(explorer, 'explorer');
}

async function completesCondition(explorer) {
  const { page } = explorer;
  await explorer.typeCondition('dpo');
  const proposal = page.locator('.suggest-widget .monaco-list-row').filter({ hasText: 'dport' });
  await proposal.first().waitFor();
  await screenshot(explorer, 'explorer-completion');
  await page.keyboard.press('Tab');
  await explorer.until(async () => (await explorer.conditionText()) === 'dport', 'Tab does not take the proposal');
  await page.keyboard.press('Escape');
  await explorer.enterCondition('');
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
  await explorer.page.locator('.squiggly-error').first().waitFor();
  await explorer.page.keyboard.press('Enter');
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

// What is asked where addresses are wanted: those of the demo's workstation and of its services.
const A = '192.0.2.10';
const B = '192.0.2.30';

async function answersEveryType(explorer) {
  const { page } = explorer;
  const answered = async (type, name) => {
    assert.deepEqual(await explorer.errors(), [], `errors of ${type}`);
    assert.match(await explorer.command(), /\bweir [a-z]/, `the command line of ${type}`);
    await screenshot(explorer, `explorer-${name}`);
  };
  await explorer.ask('Path', { from: A, to: B });
  assert.ok((await explorer.rows()).length > 0, 'a path without rows');
  await answered('Path', 'path');

  await explorer.ask('Actors', { 'of list or addresses': `${A} ${B} 203.0.113.99` });
  const actors = (await explorer.rows()).flat();
  assert.ok(actors.length > 0, 'actors without rows');
  await answered('Actors', 'actors');

  await explorer.ask('Asymmetry');
  await page.getByTestId('table').getByText(/./).first().waitFor();
  await answered('Asymmetry', 'asymmetry');

  await explorer.ask('Node graph');
  await page.getByTestId('node').first().waitFor();
  const [nodes, edges] = [await page.getByTestId('node').count(), await page.getByTestId('edge').count()];
  assert.ok(nodes > 1 && edges > 0, `${nodes} nodes and ${edges} edges`);
  await answered('Node graph', 'nodegraph');

  await explorer.ask('Hosts');
  const seen = (await explorer.rows()).flat();
  assert.deepEqual(
    hosts.filter((host) => !seen.includes(host)),
    [],
    `hosts without a row; there are rows of ${seen}`
  );
  await answered('Hosts', 'fleet');

  await explorer.ask('Time series');
  await explorer.runUntilData();
  await explorer.ask('Table');
}

async function runsEveryChoice(explorer) {
  const { page } = explorer;
  for (const [label, ...options] of [
    ['by', 'Packets', 'Bytes'],
    ['direction', 'In', 'Out', 'Both'],
    ['as', 'Average', 'Total'],
  ]) {
    for (const option of options) {
      await explorer.running(() => explorer.press(label, option), `${label} ${option}`);
      assert.deepEqual(await explorer.errors(), [], `${label} ${option}`);
    }
  }
  await explorer.running(
    () => explorer.choose('interfaces', 'eth0').then(() => page.keyboard.press('Tab')),
    'interfaces'
  );
  await explorer.untilCommand(/eth0/);
  await page.getByRole('button', { name: /Presets/ }).click();
  await explorer.running(() => page.getByRole('menuitem', { name: /Services/ }).click(), 'a preset');
  await explorer.untilCommand(/ dport,proto/);
  await page.getByLabel('Top', { exact: true }).fill('3');
  await explorer.running(() => page.keyboard.press('Enter'), 'the number of rows');
  await explorer.until(async () => (await explorer.rows()).length <= 3, 'more than three rows');
  assert.deepEqual(await explorer.errors(), []);
}

async function runsEveryOption(explorer) {
  const { page } = explorer;
  const option = (label) => page.getByLabel(label, { exact: true });
  await page.getByRole('button', { name: /^Options/ }).click();
  for (const label of ['and the rest', 'lowest first', 'strict', 'debug']) {
    await explorer.running(() => option(label).click({ force: true }), label);
    assert.deepEqual(await explorer.errors(), [], label);
  }
  await page.getByTestId('table-2').waitFor(); // what each host did
  await screenshot(explorer, 'explorer-options');
  for (const label of ['and the rest', 'lowest first', 'strict', 'debug']) {
    await explorer.running(() => option(label).click({ force: true }), `no ${label}`);
  }
  for (const [label, choice, reset] of [
    ['chosen by', 'packets', 'the value shown'],
    ['same flow at several hosts', 'largest', 'as the servers do'],
  ]) {
    await explorer.running(() => explorer.choose(label, choice), `${label} ${choice}`);
    assert.deepEqual(await explorer.errors(), [], label);
    await explorer.running(() => explorer.choose(label, reset), `${label} ${reset}`);
  }
  // What not every server does is refused by name.
  for (const label of ['reverse lookup', 'country and network']) {
    await explorer.running(() => option(label).click({ force: true }), label);
    await explorer.running(() => option(label).click({ force: true }), `no ${label}`);
  }
  assert.deepEqual(await explorer.errors(), []);
  await explorer.ask('Time series');
  await explorer.running(() => option('mirrored').click({ force: true }), 'mirrored');
  await option('bins of').fill('1m');
  await explorer.running(() => page.keyboard.press('Enter'), 'a resolution');
  await option('compared to').fill('1h');
  await explorer.running(() => page.keyboard.press('Enter'), 'a comparison');
  assert.deepEqual(await explorer.errors(), []);
  await screenshot(explorer, 'explorer-timeseries');
  for (const label of ['bins of', 'compared to']) {
    await option(label).fill('');
    await explorer.running(() => page.keyboard.press('Enter'), `no ${label}`);
  }
  await explorer.running(() => option('mirrored').click({ force: true }), 'not mirrored');
  await explorer.ask('Table');
}

async function streams(explorer) {
  const { page } = explorer;
  const partial = page.getByLabel('show partial', { exact: true });
  await explorer.groupBy('host');
  await explorer.runUntilData();
  const plain = (await explorer.rows()).map((cells) => cells[0]).sort();
  const before = explorer.streams;
  await explorer.running(() => partial.click({ force: true }), 'show partial');
  assert.ok(explorer.streams > before, 'nothing was streamed');
  assert.deepEqual(await explorer.errors(), []);
  const streamed = async () => (await explorer.rows()).map((cells) => cells[0]).sort();
  await explorer.until(async () => (await streamed()).join() === plain.join(), `the stream lacks some of ${plain}`);
  await explorer.running(() => partial.click({ force: true }), 'no partial');
}

async function followsVariables(explorer) {
  const { page } = explorer;
  const variable = (name) => page.getByTestId('variables').getByLabel(`$${name}`, { exact: true });
  const offered = async (name) => {
    await variable(name).click();
    await page.getByRole('option').first().waitFor();
    const texts = await page.getByRole('option').allInnerTexts();
    await page.keyboard.press('Escape');
    return texts.map((text) => text.trim()).filter((text) => !/^all/i.test(text));
  };
  assert.deepEqual((await offered('host')).sort(), [...hosts].sort());
  await variable('customer').click();
  await page.getByRole('option').filter({ hasText: 'hosting' }).click();
  await page.keyboard.press('Escape');
  await explorer.until(async () => (await offered('host')).length === 1, 'the hosts do not follow the customer');
  const [host] = await offered('host');

  await page.getByLabel('on hosts', { exact: true }).fill('$host');
  await explorer.running(() => page.getByRole('option').filter({ hasText: '$host' }).first().click(), 'choosing $host');
  await page.keyboard.press('Tab');
  await explorer.groupBy('host');
  await explorer.until(
    async () => (await explorer.rows()).map((cells) => cells[0]).join() === host,
    `the rows are not those of ${host}`
  );
  await page.getByRole('button', { name: 'Edit $host' }).click();
  await page.getByTestId('variable-editor').getByLabel('List', { exact: true }).waitFor();
  await screenshot(explorer, 'explorer-variables');
  await page.getByRole('button', { name: 'Edit $host' }).click();
  await variable('customer').locator('xpath=..').getByRole('button', { name: 'Clear all' }).click();
  await page
    .getByLabel('on hosts', { exact: true })
    .locator('xpath=..')
    .getByRole('button', { name: 'Clear all' })
    .click();
  await explorer.settle();
}

async function triesAnExample(explorer) {
  const { page } = explorer;
  await page.getByRole('button', { name: 'Help', exact: true }).click();
  await screenshot(explorer, 'explorer-help');
  const example = page.getByTestId('help').getByRole('button', { name: 'dport = 443 & proto = tcp' });
  await explorer.running(() => example.click(), 'an example');
  await explorer.until(
    async () => (await explorer.conditionText()) === 'dport = 443 & proto = tcp',
    'the example is not the query'
  );
  await page.getByRole('button', { name: 'Help', exact: true }).click();
  await explorer.enterCondition('');
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
