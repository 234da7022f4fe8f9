/**
 * The Electron shell against a stand-in for the `electron` module (its binary is a download that a test machine may not
 * have): what it asks Electron for is what is checked. That Electron then does it is not shown here.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';

type Listener = (...args: never[]) => unknown;

const electron = vi.hoisted(() => {
  const listeners = new Map<string, Listener>();
  const calls: Record<string, unknown[]> = {};
  const record =
    (name: string) =>
    (...args: unknown[]) => {
      calls[name] = args;
    };
  return { listeners, calls, record, encryption: { available: true, backend: 'gnome_libsecret' } };
});

vi.mock('electron', () => {
  const { listeners, record, encryption } = electron;
  class BrowserWindow {
    static options: unknown;
    webContents = { on: (name: string, listener: Listener) => listeners.set(`contents:${name}`, listener) };
    constructor(options: unknown) {
      BrowserWindow.options = options;
    }
    once() {}
    loadURL = record('loadURL');
  }
  return {
    app: { on: (name: string, listener: Listener) => listeners.set(`app:${name}`, listener) },
    BrowserWindow,
    nativeTheme: { shouldUseDarkColors: true },
    net: { fetch: async (url: string) => new Response(url) },
    protocol: {
      registerSchemesAsPrivileged: record('schemes'),
      handle: (_scheme: string, serve: Listener) => listeners.set('protocol', serve),
    },
    safeStorage: {
      isEncryptionAvailable: () => encryption.available,
      getSelectedStorageBackend: () => encryption.backend,
      encryptString: (text: string) => Buffer.from(`sealed:${Buffer.from(text).toString('hex')}`),
      decryptString: (sealed: Buffer) => Buffer.from(sealed.toString().slice('sealed:'.length), 'hex').toString(),
    },
    session: {
      defaultSession: {
        setPermissionRequestHandler: (handler: Listener) => listeners.set('permissionRequest', handler),
        setPermissionCheckHandler: (handler: Listener) => listeners.set('permissionCheck', handler),
        setDevicePermissionHandler: (handler: Listener) => listeners.set('devicePermission', handler),
        webRequest: { onBeforeRequest: (handler: Listener) => listeners.set('beforeRequest', handler) },
      },
    },
  };
});

const listener = (name: string) => electron.listeners.get(name) as unknown as (...args: unknown[]) => unknown;

describe('the window', () => {
  it('is sandboxed, isolated and without Node', async () => {
    const { createWindow } = await import('../../electron/desktop/window.ts');
    const { BrowserWindow } = await import('electron');
    createWindow({ preload: '/preload.cjs', onReady: () => {} });
    const { webPreferences } = (BrowserWindow as unknown as { options: { webPreferences: Record<string, unknown> } })
      .options;
    expect(webPreferences).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
    });
    expect(electron.calls['loadURL']).toEqual(['synod://console/']);
  });
});

describe('the session', () => {
  it('refuses permissions, devices, other origins, navigation and new windows', async () => {
    const { lockDownSession } = await import('../../electron/desktop/security.ts');
    lockDownSession('/opt/app');
    const answered: unknown[] = [];
    listener('permissionRequest')(null, 'camera', (granted: unknown) => answered.push(granted));
    expect(answered).toEqual([false]);
    expect(listener('permissionCheck')()).toBe(false);
    expect(listener('devicePermission')()).toBe(false);
    const cancelled = (url: string) => {
      let cancel: unknown;
      listener('beforeRequest')({ url }, (answer: { cancel: boolean }) => (cancel = answer.cancel));
      return cancel;
    };
    expect(cancelled('https://example.com/')).toBe(true);
    expect(cancelled('synod://console/assets/index.js')).toBe(false);
    expect(cancelled('synod://console.evil/')).toBe(true);
    expect(cancelled('file:///opt/app/index.html')).toBe(false);
    expect(cancelled('file:///etc/passwd')).toBe(true);

    const contents = new Map<string, (event: { preventDefault: () => void }) => void>();
    let openHandler: (() => unknown) | null = null;
    listener('app:web-contents-created')(null, {
      on: (name: string, handler: (event: { preventDefault: () => void }) => void) => contents.set(name, handler),
      setWindowOpenHandler: (handler: () => unknown) => (openHandler = handler),
    });
    for (const name of ['will-navigate', 'will-redirect', 'will-attach-webview']) {
      const preventDefault = vi.fn<() => void>();
      contents.get(name)?.({ preventDefault });
      expect(preventDefault, name).toHaveBeenCalled();
    }
    expect((openHandler as (() => unknown) | null)?.()).toEqual({ action: 'deny' });
  });

  it('serves only files of the renderer, with a policy', async () => {
    const { registerAppProtocol } = await import('../../electron/desktop/security.ts');
    registerAppProtocol('/opt/app');
    const serve = listener('protocol') as (request: Request) => Promise<Response>;
    const page = await serve(new Request('synod://console/'));
    expect(await page.text()).toBe('file:///opt/app/index.html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect((await serve(new Request('synod://console/..%2f..%2fetc%2fpasswd'))).status).toBe(404);
    expect((await serve(new Request('synod://elsewhere/index.html'))).status).toBe(404);
  });
});

describe('secrets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'synod-secrets-'));
  const path = join(folder, 'state/secrets.json');
  afterEach(() => rmSync(join(folder, 'state'), { recursive: true, force: true }));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are written sealed, readable by their owner only, and come back', async () => {
    const { SecretFile } = await import('../../electron/desktop/secret-file.ts');
    const secrets = new SecretFile(path);
    secrets.set('h-aaaaaaaa', 'correct horse');
    expect(readFileSync(path, 'utf8')).not.toContain('correct horse');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(new SecretFile(path).get('h-aaaaaaaa')).toBe('correct horse');
    secrets.delete('h-aaaaaaaa');
    expect(secrets.get('h-aaaaaaaa')).toBeNull();
  });

  it.each([
    ['no encryption', { available: false, backend: 'gnome_libsecret' }],
    ['only the fixed key', { available: true, backend: 'basic_text' }],
  ])('are not written where the system offers %s', async (_name, state) => {
    const { SecretFile } = await import('../../electron/desktop/secret-file.ts');
    Object.assign(electron.encryption, state);
    expect(() => new SecretFile(path).set('h-aaaaaaaa', 'correct horse')).toThrow(/no encryption/);
    expect(() => readFileSync(path)).toThrow(/ENOENT/);
    Object.assign(electron.encryption, { available: true, backend: 'gnome_libsecret' });
  });
});
