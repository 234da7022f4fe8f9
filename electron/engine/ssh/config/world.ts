/** What ssh_config is evaluated against: this computer, its user and its files. Tests give another one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lookup } from 'node:dns/promises';
import { readdir, readFile } from 'node:fs/promises';
import { homedir, hostname, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { matchesPattern } from '../patterns.ts';

export interface ConfigWorld {
  /** Asked in this order; the first value wins. */
  files: readonly { path: string; kind: 'user' | 'system' }[];
  home: string;
  localUser: string;
  uid: number;
  localHostname: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** null: there is no such file. */
  read: (path: string) => Promise<string | null>;
  /** Existing paths that the pattern stands for, sorted. */
  glob: (pattern: string) => Promise<string[]>;
  /** Whether the command of a `Match exec` ends with 0. */
  succeeds: (command: string) => Promise<boolean>;
  /** Whether the name has an address. */
  resolves: (name: string) => Promise<boolean>;
}

/** This computer; `overrides` for what a test or an operator has otherwise. */
export function realWorld(overrides: Partial<ConfigWorld> = {}): ConfigWorld {
  const home = overrides.home ?? homedir();
  const { username, uid } = userInfo();
  return {
    files: [
      { path: join(home, '.ssh/config'), kind: 'user' },
      { path: '/etc/ssh/ssh_config', kind: 'system' },
    ],
    home,
    localUser: username,
    uid,
    localHostname: hostname(),
    environment: process.env,
    read: readIfPresent,
    glob: expandGlob,
    succeeds,
    resolves: async (name) =>
      await lookup(name).then(
        () => true,
        () => false,
      ),
    ...overrides,
  };
}

export async function readIfPresent(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

async function succeeds(command: string): Promise<boolean> {
  const shell = process.env['SHELL'] ?? '/bin/sh';
  const child = spawn(shell, ['-c', command], { stdio: 'ignore', timeout: 10_000 });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === 0;
  } catch {
    return false;
  }
}

/** glob(3) for what stands in Include lines: `*` and `?` within one part of an absolute path; hidden names only where named. */
async function expandGlob(pattern: string): Promise<string[]> {
  let found = [isAbsolute(pattern) ? '/' : '.'];
  for (const part of pattern.split('/').filter((name) => name !== '')) {
    const isPattern = /[*?]/.test(part);
    const grown = await Promise.all(
      found.map(async (folder) => {
        const names = await readdir(folder).catch(() => [] as string[]);
        const fits = (name: string): boolean =>
          isPattern ? matchesPattern(part, name) && (part.startsWith('.') || !name.startsWith('.')) : name === part;
        const special = part === '..' || part === '.';
        return special ? [join(folder, part)] : names.filter(fits).map((name) => join(folder, name));
      }),
    );
    found = grown.flat();
  }
  return found.sort();
}
