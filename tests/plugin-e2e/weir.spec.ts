import { expect, test } from '@grafana/plugin-e2e';

const SOURCE = { type: 'weirflow-weir-datasource', name: 'Weir' };

test('the data source says that its servers answer', async ({ page, gotoDataSourceConfigPage }) => {
  const config = await gotoDataSourceConfigPage('weir');
  await expect(page.getByText('Source', { exact: true }).first()).toBeVisible();
  // A provisioned data source is tested, not saved.
  const answer = page.waitForResponse((response) => response.url().includes('/health'));
  await page.getByRole('button', { name: /^(save & )?test$/i }).click();
  expect((await answer).ok()).toBeTruthy();
  await expect(config).toHaveAlert('success', { hasText: 'answer' });
});

test('a new query shows something at once', async ({ explorePage, page }) => {
  await explorePage.datasource.set(SOURCE.name);
  await expect(page.getByRole('columnheader', { name: /Source IP/ }).first()).toBeVisible({ timeout: 20_000 });
  await expect(page.getByText(/^weir query /)).toBeVisible();
});

test('a condition is completed, and what is wrong with it is marked', async ({ explorePage, page }) => {
  await explorePage.datasource.set(SOURCE.name);
  const editor = page.locator('.monaco-editor').first();
  await editor.click();
  await page.keyboard.type('dport in (443, 22) & ver', { delay: 40 });
  await expect(page.locator('.suggest-widget').getByText('verdict').first()).toBeVisible();
  await expect(page.getByText('unknown attribute "ver"')).toBeVisible();
  await page.keyboard.press('Tab'); // takes the proposal
  await page.keyboard.type('= accepted', { delay: 40 });
  await expect(page.getByText('unknown attribute "ver"')).toHaveCount(0);
  await page.keyboard.press('Enter');
  await expect(page.getByText(/^weir query .*dport in \(443, 22\) & verdict = accepted/)).toBeVisible();
});

for (const uid of [
  'weir-global',
  'weir-actors',
  'weir-path',
  'weir-asymmetry',
  'weir-hogs',
  'weir-host',
  'weir-fleet',
]) {
  test(`every panel of ${uid} is answered`, async ({ gotoDashboardPage, page }) => {
    const failed: string[] = [];
    page.on('response', async (response) => {
      if (response.url().includes('/api/ds/query') && !response.ok()) {
        failed.push(`${response.status()} ${await response.text()}`);
      }
    });
    await gotoDashboardPage({ uid });
    await expect(page.getByText('Data source', { exact: true }).first()).toBeVisible();
    await page.waitForLoadState('networkidle');
    expect(failed).toEqual([]);
    await expect(page.locator('[data-testid="data-testid Panel status error"]')).toHaveCount(0);
  });
}

test('a cell leads to what its address did, in the same time', async ({ gotoDashboardPage, page }) => {
  await gotoDashboardPage({ uid: 'weir-global', queryParams: new URLSearchParams('from=now-6h&to=now') });
  const cell = page
    .getByRole('gridcell')
    .filter({ hasText: /^\d+\.\d+\.\d+\.\d+$/ })
    .first();
  const address = (await cell.innerText()).trim();
  await cell.getByText(address).click();
  await page.getByText(`What did ${address} do?`).click();
  await page.waitForURL(/\/d\/weir-actors/);
  const url = new URL(page.url());
  expect(url.searchParams.get('var-actors')).toBe(address);
  expect(url.searchParams.get('from')).not.toBeNull();
  await expect(page.getByText(/hit/).first()).toBeVisible();
});

test('the rule on bandwidth hogs is there and is evaluated', async ({ request }) => {
  const answer = await request.get('/api/prometheus/grafana/api/v1/rules');
  const groups = (await answer.json()).data.groups as Array<{ rules: Array<{ name: string; health: string }> }>;
  const rules = groups.flatMap((group) => group.rules).filter((rule) => /hog/i.test(rule.name));
  expect(rules).toHaveLength(1);
  expect(rules[0].health).not.toBe('error');
});
