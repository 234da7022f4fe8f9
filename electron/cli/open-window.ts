/**
 * A window for the console: Electron where its binary is, else a Chromium-family browser as an app window with a profile of
 * its own, else nothing but the address.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { makePrivateFolder } from '../engine/private-files.ts';
import { note } from './context.ts';

/** Electron fetches its binary on first use; longer than this is not waited for. */
const FETCH_TIMEOUT_MS = 90_000;
/** After a failed fetch it is not tried again for a day. */
const RETRY_FETCH_MS = 24 * 60 * 60 * 1000;

/** Starts the desktop shell on this state folder; null when Electron's binary is not to be had or there is no display. */
export async function startElectron(stateDir: string, distDir: string): Promise<{ exited: Promise<number> } | null> {
  if (!hasDisplay()) return null;
  const electronDir = join(distDir, '../node_modules/electron');
  const binary =
    electronBinary(electronDir) ?? ((await fetchElectron(electronDir, stateDir)) ? electronBinary(electronDir) : null);
  if (binary === null) return null;
  const child = spawn(binary, [join(distDir, '..'), `--synod-state=${stateDir}`], { stdio: 'inherit' });
  return { exited: new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1))) };
}

function electronBinary(electronDir: string): string | null {
  try {
    const binary = join(electronDir, 'dist', readFileSync(join(electronDir, 'path.txt'), 'utf8').trim());
    return existsSync(binary) ? binary : null;
  } catch {
    return null;
  }
}

async function fetchElectron(electronDir: string, stateDir: string): Promise<boolean> {
  const memory = join(stateDir, 'electron-fetch-failed');
  const failedAtMs = existsSync(memory) ? Number(readFileSync(memory, 'utf8')) : 0;
  if (!existsSync(join(electronDir, 'install.js')) || Date.now() - failedAtMs < RETRY_FETCH_MS) return false;
  note('Fetching the Electron binary (once, about 110 MB) …');
  const child = spawn(process.execPath, [join(electronDir, 'install.js')], {
    stdio: ['ignore', 2, 'ignore'],
    timeout: FETCH_TIMEOUT_MS,
  });
  const code = await new Promise((resolve) => {
    child.on('exit', resolve);
    child.on('error', () => resolve(1));
  });
  if (code === 0) return true;
  note('Electron could not be fetched; the console opens in a browser window instead. It is tried again tomorrow.');
  makePrivateFolder(stateDir);
  writeFileSync(memory, String(Date.now()));
  return false;
}

export type AppWindow =
  | { readonly opened: true; readonly closed: Promise<void>; close(): void }
  | { readonly opened: false; readonly reason: string };

/** A window for the console and nothing more: the browser asks nothing of the network for itself. */
const windowOptions = [
  '--window-size=1440,900',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** `SYNOD_BROWSER` names another Chromium-family browser. */
export async function openAppWindow(url: string): Promise<AppWindow> {
  if (!hasDisplay()) return { opened: false, reason: 'There is no display.' };
  const browser = process.env['SYNOD_BROWSER'] ?? findBrowser();
  if (browser === null) return { opened: false, reason: 'No Chromium-family browser was found.' };
  // Chromium's sandbox does not work as root, and we do not switch it off.
  if (process.getuid?.() === 0) return { opened: false, reason: 'Browsers are not started as root.' };
  const profile = mkdtempSync(join(tmpdir(), 'synod-window-'));
  const child = spawn(browser, [`--app=${url}`, `--user-data-dir=${profile}`, ...windowOptions], { stdio: 'ignore' });
  const closed = ended(child).finally(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  return { opened: true, closed, close: () => void child.kill() };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('exit', () => resolve());
    child.on('error', () => resolve());
  });
}

function hasDisplay(): boolean {
  return process.platform !== 'linux' || Boolean(process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY']);
}

function findBrowser(): string | null {
  const names = [
    'chromium',
    'chromium-browser',
    'google-chrome-stable',
    'google-chrome',
    'microsoft-edge',
    'brave-browser',
  ];
  const places = (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)));
  const macApps = ['Google Chrome', 'Chromium', 'Microsoft Edge', 'Brave Browser'].map(
    (app) => `/Applications/${app}.app/Contents/MacOS/${app}`,
  );
  return [...places, ...(process.platform === 'darwin' ? macApps : [])].find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
