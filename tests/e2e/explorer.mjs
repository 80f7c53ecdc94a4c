// What a person does in the explorer, and sees.
import assert from 'node:assert/strict';

export class Explorer {
  constructor(page) {
    this.page = page;
    this.table = page.getByTestId('table');
    this.graph = page.getByTestId('graph');
    this.condition = page.getByTestId('condition-editor').getByRole('textbox');
    this.fault = page.getByTestId('condition-fault');
    this.queries = 0;
    this.streams = 0;
    page.on('request', (request) => {
      this.queries += request.url().includes('/api/ds/query') ? 1 : 0;
      this.streams += request.url().includes('/api/live/run') ? 1 : 0;
    });
  }

  async open(url) {
    await this.page.goto(url);
    await this.settle();
  }

  /** Waits until no query is running. */
  async settle() {
    await this.page.locator('[data-testid=explorer][data-busy=false]').waitFor();
  }

  async run() {
    await this.page.getByTestId('run').click();
    await this.settle();
  }

  /** Runs the query until the table and the graph show something: live data takes a moment to come in. */
  async runUntilData(deadlineMs = 180_000) {
    const deadline = Date.now() + deadlineMs;
    while ((await this.rows()).length === 0 || (await this.curves()) === 0) {
      assert.ok(
        Date.now() < deadline,
        `no data in table and graph after ${deadlineMs / 1000} s; errors: ${await this.errors()}`
      );
      await this.page.waitForTimeout(500);
      await this.run();
    }
  }

  /** The visible rows of the table, each a list of cells. */
  async rows() {
    return this.table
      .getByRole('row')
      .evaluateAll((rows) =>
        rows
          .map((row) => [...row.querySelectorAll('[role=cell]')].map((cell) => cell.textContent))
          .filter((cells) => cells.length > 0)
      );
  }

  /** The number of series in the graph's legend, 0 if nothing is drawn. */
  async curves() {
    const drawn = await this.graph.locator('canvas').count();
    return drawn && this.graph.getByRole('button', { name: /./ }).count();
  }

  /** The text in the code editor. */
  async conditionText() {
    const lines = await this.page.getByTestId('condition-editor').locator('.view-line').allInnerTexts();
    return lines.join('\n').replaceAll('\u00a0', ' ').trim();
  }

  async typeCondition(text) {
    await this.condition.focus();
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.press('Delete');
    await this.page.keyboard.type(text);
    await this.until(async () => (await this.conditionText()) === text, `the condition does not become ${text}`);
  }

  /** Chooses from a list by its label; the query runs. */
  async choose(label, option) {
    await this.page.getByLabel(label, { exact: true }).click();
    await this.page.getByRole('option').filter({ hasText: option }).first().click();
  }

  /** Chooses one of the buttons beside a label. */
  async press(label, option) {
    await this.page
      .getByRole('radiogroup', { name: label, exact: true })
      .getByRole('radio', { name: option, exact: true })
      .check({ force: true });
  }

  /** Turns the query into one of another type, without running it where it lacks something. */
  async ask(type, fields = {}) {
    await this.choose('Show', type);
    for (const [label, text] of Object.entries(fields)) {
      await this.page.getByLabel(label, { exact: true }).fill(text);
      await this.page.keyboard.press('Tab');
    }
    await this.settle();
  }

  /** Does something that runs the query, and waits for the answer. */
  async running(action, what) {
    const before = this.queries + this.streams;
    await action();
    await this.until(() => this.queries + this.streams > before, `no query after ${what}`);
    await this.settle();
  }

  async enterCondition(text) {
    await this.typeCondition(text);
    const before = this.queries;
    await this.page.keyboard.press('Enter');
    await this.until(() => this.queries > before, `no query after entering ${text}`);
    await this.settle();
  }

  /** Groups by these attributes and nothing else. */
  async groupBy(...attributes) {
    const picker = this.page.getByLabel('Grouped by');
    await picker.locator('xpath=..').getByRole('button', { name: 'Clear all' }).click();
    for (const attribute of attributes) {
      await picker.fill(attribute);
      await this.page.getByRole('option').filter({ hasText: attribute }).first().click();
    }
    await this.page.keyboard.press('Tab');
    await this.untilCommand(new RegExp(`\\b${attributes.join(',')}\\b`));
  }

  /** Waits for the answer to the query whose command line looks so. */
  async untilCommand(pattern) {
    await this.until(async () => pattern.test(await this.command()), `the command line does not become ${pattern}`);
    await this.settle();
  }

  async command() {
    return (await this.page.getByTestId('command-line').allTextContents()).join('\n');
  }

  notices() {
    return this.page.getByTestId('notice').allTextContents();
  }

  errors() {
    return this.page.getByTestId('error').allTextContents();
  }

  async until(condition, complaint, deadlineMs = 120_000) {
    const deadline = Date.now() + deadlineMs;
    while (!(await condition())) {
      assert.ok(Date.now() < deadline, complaint);
      await this.page.waitForTimeout(50);
    }
  }
}
