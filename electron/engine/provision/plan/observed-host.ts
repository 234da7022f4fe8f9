/**
 * What one read-only script (`apply/observe-script.ts`) saw on a host: everything in Synod's own folders to a small depth, and the
 * places where something of ours is wanted. It prints tab-separated lines, and nothing else counts, whatever a login shell may
 * say before them.
 */
import { z } from 'zod';

export interface ObservedEntry {
  readonly type: 'folder' | 'file' | 'link' | 'other';
  readonly mode: number;
  readonly owner: string;
  readonly group: string;
  readonly bytes: number;
  /** When it was put there or changed in any way, seconds since 1970, rounded down. */
  readonly changedAt: number;
}

export interface ObservedService {
  /** Whatever keeps the node running is at work: its unit is active, or its supervisor lives. */
  readonly isRunning: boolean;
  /** Something of it runs, be it a node that nobody keeps. */
  readonly hasProcess: boolean;
  /** The unit's file was changed since systemd read it. */
  readonly needsReload: boolean;
  /** Since when its process runs, seconds since 1970; null: unknown, or it does not run. */
  readonly startedAt: number | null;
}

export interface ObservedDisk {
  readonly freeBytes: number;
  /** Programs may not be run from it. */
  readonly isNoexec: boolean;
  readonly isReadOnly: boolean;
}

export interface ObservedHost {
  readonly login: { readonly name: string; readonly group: string };
  /** By absolute path; what is not here is not there. */
  readonly entries: ReadonlyMap<string, ObservedEntry>;
  /** SHA-256 of plain files. */
  readonly digests: ReadonlyMap<string, string>;
  /** What tells whether a large file is the one whose digest is known: device, inode, size, times. */
  readonly identities: ReadonlyMap<string, string>;
  readonly contents: ReadonlyMap<string, string>;
  readonly links: ReadonlyMap<string, string>;
  /** Folders with something in them, of those that were asked about. */
  readonly filled: ReadonlySet<string>;
  readonly users: ReadonlyMap<string, { readonly comment: string; readonly shell: string }>;
  readonly services: ReadonlyMap<string, ObservedService>;
  /** The file systems of the folders that were asked about; one that is not there is missing. */
  readonly disks: ReadonlyMap<string, ObservedDisk>;
  /** What may stand between the nodes: `firewalld`, `ufw`, `nft`; empty: nothing that could be seen. */
  readonly firewalls: readonly string[];
}

const types: Readonly<Record<number, ObservedEntry['type']>> = { 4: 'folder', 8: 'file', 10: 'link' };
const hex = z.string().regex(/^[0-9a-f]{1,8}$/);
const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Throws RangeError when the output is not that of `observeScript`, or not all of it. */
export function parseObserved(stdout: string): ObservedHost {
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  if (!lines.some((fields) => fields[0] === 'end')) throw new RangeError('the host did not say everything');
  const of = (key: string) => lines.filter((fields) => fields[0] === key);
  const byPath = (key: string) => new Map(of(key).map(([, path = '', value = '']) => [path, value]));
  const me = of('me')[0];
  return {
    login: { name: me?.[1] ?? '', group: me?.[2] ?? '' },
    entries: new Map(of('e').map(([, path = '', ...fields]) => [path, entryOf(fields)])),
    digests: new Map([...byPath('d')].map(([path, digest]) => [path, digestSchema.parse(digest)])),
    identities: byPath('i'),
    contents: new Map([...byPath('c')].map(([path, text]) => [path, Buffer.from(text, 'base64').toString('utf8')])),
    links: byPath('l'),
    filled: new Set(of('n').map(([, path = '']) => path)),
    users: new Map(of('u').map(([, name = '', comment = '', shell = '']) => [name, { comment, shell }])),
    services: new Map(
      of('s').map(([, nodeId = '', active = '', reload = '', startedAt = '']) => [
        nodeId,
        // A unit that is on its way up, or waits to be started again, is not to be started once more.
        {
          isRunning: ['active', 'activating', 'reloading'].includes(active),
          hasProcess: !['', 'inactive', 'failed'].includes(active),
          needsReload: reload === 'yes',
          startedAt: startedAt === '' ? null : Number(startedAt),
        },
      ]),
    ),
    disks: new Map(
      of('f').map(([, path = '', kibibytes = '', options = '']) => {
        const flags = options.split(',');
        const [isNoexec, isReadOnly] = [flags.includes('noexec'), flags.includes('ro')];
        return [path, { freeBytes: Number(kibibytes) * 1024, isNoexec, isReadOnly }];
      }),
    ),
    firewalls: of('w').map(([, name = '']) => name),
  };
}

function entryOf([raw = '', owner = '', group = '', bytes = '', changedAt = '']: string[]): ObservedEntry {
  const mode = Number.parseInt(hex.parse(raw), 16);
  return {
    type: types[mode >> 12] ?? 'other',
    mode: mode & 0o7777,
    owner,
    group,
    bytes: Number(bytes),
    changedAt: Number(changedAt),
  };
}
