/**
 * `npm run screenshots -- [FOLDER]`: a real cluster on this computer, and a picture of each screen, dark and light, at 1280 and
 * 1920 pixels wide. The README's picture comes from here (default folder: docs/screenshots).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { root, startSynod } from '../demo/synod.ts';
import { launchBrowser, openConsole } from './browser.ts';
import { startWrites } from './writes.ts';

const folder = process.argv[2] ?? join(root, 'docs/screenshots');
const looks = (['dark', 'light'] as const).flatMap((colorScheme) =>
  [1280, 1920].map((width) => ({ colorScheme, width, height: width === 1280 ? 900 : 1200 })),
);

mkdirSync(folder, { recursive: true });
const demo = startSynod(['demo', '--headless', '--json']);
const cluster = (await demo.firstObject) as unknown as {
  url: string;
  endpoints: string[];
  tls: { ca: string; cert: string; key: string };
};
const browser = await launchBrowser();
const writes = startWrites(cluster);
try {
  const { page } = await openConsole(browser, cluster.url, looks[0] as (typeof looks)[number]);
  await page.getByTestId('cluster-card').waitFor();
  // A minute of history, so that the charts have something to show.
  await page.waitForTimeout(Number(process.env['HISTORY_MS'] ?? 60_000));
  await picture(page, 'fleet');
  await page.getByTestId('cluster-card').click();
  await picture(page, 'overview');
  const tab = (name: RegExp) => page.getByRole('link', { name }).first();
  await tab(/^Nodes/).click();
  await picture(page, 'nodes');
  await tab(/^Faults/).click();
  for (const other of ['node-2', 'node-3']) await page.getByTestId(`matrix-cell-node-1-${other}`).click();
  await picture(page, 'faults');
  await page.getByTestId('inject').click();
  await page.getByTestId('preview-run').click();
  await page.getByTestId('fault-banner').waitFor();
  await page.getByRole('button', { name: 'Close' }).first().click();
  await tab(/^Overview/).click();
  await page.getByTestId('node-condition-node-1').getByText('minority').waitFor();
  await picture(page, 'partition');
} finally {
  await writes.stop();
  await browser.close();
  demo.process.kill('SIGINT');
  await demo.exited;
}

async function picture(page: Page, name: string): Promise<void> {
  for (const { colorScheme, width, height } of looks) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`) });
  }
}
