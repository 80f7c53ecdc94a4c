// A headless Chromium with one page that remembers what went wrong in it.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

// No sandbox, so that it runs as root in containers; no background traffic, so that only the page talks.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const executablePath = process.env.WEIR_CHROMIUM ?? '/usr/bin/chromium';

/** Opens a page; complaints grows with every error that the page or its console reports. */
export async function openBrowser() {
  if (!existsSync(executablePath)) {
    throw new Error(`no Chromium at ${executablePath}: install it (apt-get install chromium) or set WEIR_CHROMIUM`);
  }
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const page = await browser.newPage({ viewport: { width: 1400, height: 1150 } });
  page.setDefaultTimeout(120_000); // of waits for something that does come, however slow the machine is
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    // The response itself says more, see below.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  page.on('response', (response) => {
    // Grafana's fonts are not part of its packages, and the page does without them.
    if (response.status() >= 400 && !response.url().includes('/fonts/')) {
      complaints.push(`response: ${response.status()} ${response.url()}`);
    }
  });
  page.on('requestfailed', (request) => {
    // The page cancels a query when the next one starts.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') {
      complaints.push(`request: ${request.url()} ${request.failure()?.errorText}`);
    }
  });
  return { browser, page, complaints };
}
