/** With a real keyring, of a session bus of its own; and without any. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { keyringOrMemory } from './keyring.ts';

const missing = ['secret-tool', 'gnome-keyring-daemon', 'dbus-run-session'].filter(
  (tool) => spawnSync('which', [tool]).status !== 0,
);
const module = fileURLToPath(new URL('keyring.ts', import.meta.url));

/** Runs the lines with `store`, in a session whose keyring is unlocked by an empty-handed test's own password. */
function inSession(home: string, lines: string): unknown {
  const program = `import { keyringOrMemory } from ${JSON.stringify(module)};
const store = await keyringOrMemory();
const said = await (async () => { ${lines} })();
process.stdout.write(JSON.stringify(said ?? null));`;
  const script =
    'printf keyring | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; exec "$0" --input-type=module-typescript -e "$1"';
  const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home, XDG_DATA_HOME: join(home, 'data') };
  const said = execFileSync('dbus-run-session', ['--', 'sh', '-c', script, process.execPath, program], { env });
  return JSON.parse(said.toString('utf8'));
}

describe('the keyring', () => {
  it('is memory where there is none', async () => {
    const bus = process.env['DBUS_SESSION_BUS_ADDRESS'];
    delete process.env['DBUS_SESSION_BUS_ADDRESS'];
    const store = await keyringOrMemory();
    if (bus !== undefined) process.env['DBUS_SESSION_BUS_ADDRESS'] = bus;
    expect(store.persistent).toBe(false);
    await store.set('passphrase:/k', 'x');
    expect(await store.get('passphrase:/k')).toBe('x');
  });

  it.skipIf(missing.length > 0)(
    `keeps answers for the next start, and nothing else (missing: ${missing.join(', ')})`,
    () => {
      const home = mkdtempSync(join(tmpdir(), 'sy-keyring-'));
      const secret = 'correct horse "battery" staple';
      try {
        const first = `await store.set('passphrase:/k', ${JSON.stringify(secret)}); await store.set('h-1', 'for one run');
return [store.persistent, await store.get('passphrase:/k'), await store.get('h-1'), await store.get('passphrase:/other')];`;
        expect(inSession(home, first)).toEqual([true, secret, 'for one run', null]);
        expect(inSession(home, "return [await store.get('passphrase:/k'), await store.get('h-1')];")).toEqual([
          secret,
          null,
        ]);
        for (const file of readdirSync(home, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()))
          expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain('battery');
        expect(inSession(home, "await store.delete('passphrase:/k'); return store.get('passphrase:/k');")).toBeNull();
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    },
  );
});
