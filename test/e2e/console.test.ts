/**
 * The main job by clicking, in a real browser against real nodes: from the empty state to a cluster, a killed leader, a
 * partition drawn in the matrix, and back to level.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBuilt, type RunningCommand, startSynod } from '../demo/synod.ts';
import { type ConsolePage, hasChromium, launchBrowser, openConsole } from './browser.ts';
import { startWrites, type Writes } from './writes.ts';

const runs = isBuilt && hasChromium;
const nodeNames = ['node-1', 'node-2', 'node-3'];
const PATIENCE = { timeout: 30_000 };

describe.skipIf(!runs)('the console', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'synod-e2e-'));
  let command: RunningCommand;
  let browser: Browser;
  let console: ConsolePage;
  let writes: Writes;

  beforeAll(async () => {
    command = startSynod(['--state', stateDir, '--json', 'serve']);
    browser = await launchBrowser();
    const { url } = (await command.firstObject) as { url: string };
    console = await openConsole(browser, url, { colorScheme: 'dark', width: 1440, height: 1000 });
  });

  afterAll(async () => {
    await writes?.stop();
    await browser.close();
    const down = startSynod(['--state', stateDir, '--json', 'lab', 'down', '--confirm', 'lab']);
    const result = await down.firstObject;
    command.process.kill('SIGINT');
    expect(await command.exited, command.said()).toBe(0);
    expect(result).toMatchObject({ ok: true, residue: [] });
    rmSync(stateDir, { recursive: true });
  }, 60_000);

  const at = (id: string): Locator => console.page.getByTestId(id);
  const tab = (name: string) => console.page.getByRole('link', { name: new RegExp(`^${name}`) });
  /** Waits until what is shown matches. */
  const shown = (locator: Locator, wanted: RegExp) => expect.poll(() => locator.innerText(), PATIENCE).toMatch(wanted);

  async function runPreviewed(): Promise<void> {
    await at('preview-run').click(PATIENCE);
    const dialog = console.page.getByRole('dialog');
    await shown(dialog.getByTestId('operation-state'), /succeeded|failed|unknown/i);
    expect(await dialog.getByTestId('operation-state').innerText(), await dialog.innerText()).toMatch(/succeeded/i);
    await console.page.getByRole('button', { name: 'Close' }).first().click();
  }

  async function conditions(): Promise<Record<string, string>> {
    const texts = await Promise.all(nodeNames.map((name) => at(`node-condition-${name}`).innerText()));
    return Object.fromEntries(nodeNames.map((name, index) => [name, (texts[index] ?? '').trim()]));
  }

  async function leader(): Promise<string> {
    let found: string | undefined;
    await expect
      .poll(async () => {
        const now = await conditions();
        found = nodeNames.find((name) => now[name]?.includes('leader'));
        return found;
      }, PATIENCE)
      .toBeDefined();
    return found as string;
  }

  const decided = async (name: string) => Number(await at(`decided-${name}`).getAttribute('data-decided'));

  it('provisions a cluster from the empty state', async () => {
    await at('try-it').click();
    await at('cluster-card').waitFor({ timeout: 60_000 });
    await shown(at('cluster-card'), /Ready for writes|Writes are going on/);
    await at('cluster-card').click();
    await at('health-headline').waitFor();
  }, 90_000);

  it('shows the log moving under writes', async () => {
    const access = startSynod(['--state', stateDir, '--json', 'cluster', 'access']);
    writes = startWrites((await access.firstObject) as unknown as Parameters<typeof startWrites>[0]);
    await tab('Nodes').click();
    const before = await decided('node-1');
    for (const name of nodeNames) await expect.poll(() => decided(name), PATIENCE).toBeGreaterThan(before + 100);
    await tab('Overview').click();
    await shown(at('health-headline'), /Writes are going on/);
  }, 60_000);

  it('kills the leader and shows the new one', async () => {
    await tab('Nodes').click();
    const killed = await leader();
    await at(`action-kill-${killed}`).click();
    await runPreviewed();
    let next = killed;
    await expect.poll(async () => (next = await leader()) !== killed, PATIENCE).toBe(true);
    await expect.poll(async () => (await conditions())[killed], PATIENCE).toContain('follower');
    const acknowledged = writes.acknowledged();
    await expect.poll(() => writes.acknowledged(), PATIENCE).toBeGreaterThan(acknowledged + 50);
    expect(next).not.toBe(killed);
  }, 90_000);

  it('draws a partition, marks the minority while writes go on, and heals it', async () => {
    await tab('Nodes').click();
    const cutOff = await leader();
    await tab('Faults').click();
    for (const other of nodeNames.filter((name) => name !== cutOff)) await at(`matrix-cell-${cutOff}-${other}`).click();
    await at('inject').click();
    await runPreviewed();
    await at('fault-banner').waitFor(PATIENCE);
    await tab('Nodes').click();
    await expect.poll(async () => (await conditions())[cutOff], PATIENCE).toContain('minority');
    expect(await leader()).not.toBe(cutOff);
    const acknowledged = writes.acknowledged();
    await expect.poll(() => writes.acknowledged(), PATIENCE).toBeGreaterThan(acknowledged + 50);
    await tab('Overview').click();
    await shown(at('health-headline'), /Writes are going on/);

    await at('heal-all').click();
    await runPreviewed();
    await expect.poll(() => at('fault-banner').count(), PATIENCE).toBe(0);
    await tab('Nodes').click();
    await expect.poll(async () => (await conditions())[cutOff], PATIENCE).toContain('follower');
    await writes.stop();
    await expect.poll(async () => new Set(await Promise.all(nodeNames.map(decided))).size, PATIENCE).toBe(1);
  }, 120_000);

  it('moves the leader to a chosen node', async () => {
    await tab('Nodes').click();
    const before = await leader();
    const target = nodeNames.find((name) => name !== before) as string;
    await at(`action-failover-${target}`).click();
    await runPreviewed();
    await expect.poll(leader, PATIENCE).toBe(target);
  }, 60_000);

  it('has no axe violation on any screen, dark or light', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const colorScheme of ['dark', 'light'] as const) {
      await console.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await tab('Fleet').first().click();
      for (const screen of ['Fleet', 'Overview', 'Nodes', 'Faults']) {
        if (screen === 'Overview') await at('cluster-card').click();
        else await tab(screen).first().click();
        await console.page.evaluate(axe);
        const found = (await console.page.evaluate('axe.run().then((r) => r.violations)')) as {
          id: string;
          nodes: { html: string }[];
        }[];
        expect(found.map((violation) => `${screen}: ${violation.id} ${violation.nodes[0]?.html}`)).toEqual([]);
      }
    }
  }, 60_000);

  it('caused no error and no refusal of the security policy', () => {
    expect(console.complaints).toEqual([]);
  });
});

if (!runs) it('skipped: needs a build and Chromium (Debian: chromium)', ({ skip }) => skip());
