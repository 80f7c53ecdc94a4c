import { defineConfig } from '@playwright/test';
import type { PluginOptions } from '@grafana/plugin-e2e';

/*
 * Grafana lets everybody in as administrator, as docker-compose.yaml has it, so that nobody has to log in.
 * WEIR_CHROMIUM names a browser; without it Playwright's own is used.
 */
export default defineConfig<PluginOptions>({
  testDir: '.',
  timeout: 60_000,
  retries: process.env.CI ? 1 : 0,
  workers: 1,
  reporter: 'list',
  use: {
    baseURL: process.env.GRAFANA_URL ?? 'http://127.0.0.1:3000',
    provisioningRootDir: '../../provisioning',
    trace: 'retain-on-failure',
    viewport: { width: 1440, height: 1000 },
    launchOptions: process.env.WEIR_CHROMIUM
      ? { executablePath: process.env.WEIR_CHROMIUM, args: ['--no-sandbox'] }
      : undefined,
  },
});
