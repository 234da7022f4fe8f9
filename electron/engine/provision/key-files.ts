/**
 * Pairs of certificate and key as files `<name>.pem` and `<name>.key` in folders of 0700, files 0600. Each file is whole or not there,
 * also over a power cut. A key is written, and moved, before its certificate: a certificate without its key does not occur.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { KeyPair } from './certificates.ts';

/** Each of the two files from the first of the folders that has it; null when none has the certificate. */
export async function loadPair(folders: readonly string[], name: string): Promise<KeyPair | null> {
  const certificate = await readFirst(folders, `${name}.pem`);
  if (certificate === null) return null;
  const key = await readFirst(folders, `${name}.key`);
  if (key === null) throw new Error(`${name}.key is missing beside ${name}.pem in ${folders.join(' and ')}`);
  return { certificate, key };
}

/** Without its key, which may be elsewhere. */
export function loadCertificate(folders: readonly string[], name: string): Promise<string | null> {
  return readFirst(folders, `${name}.pem`);
}

export function loadKey(folders: readonly string[], name: string): Promise<string | null> {
  return readFirst(folders, `${name}.key`);
}

export async function savePair(folder: string, name: string, pair: KeyPair): Promise<KeyPair> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeDurably(join(folder, `${name}.key`), pair.key);
  await writeDurably(join(folder, `${name}.pem`), pair.certificate);
  return pair;
}

/** Moves the pairs that `isWanted` names over those of the same names in `to`. May be repeated after it was cut short. */
export async function movePairs(from: string, to: string, isWanted: (name: string) => boolean): Promise<void> {
  const names = (await readdir(from).catch(noneOf)).filter((file) => isWanted(file.replace(/\.(key|pem)$/, '')));
  const keysFirst = names.toSorted((a, b) => Number(b.endsWith('.key')) - Number(a.endsWith('.key')));
  for (const file of keysFirst) await rename(join(from, file), join(to, file));
  if (names.length > 0) await syncFolder(to);
}

/** null when there is none. */
export function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

/** Whole or not at all: written aside, synced, renamed, folder synced. Mode 0600. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  await syncFolder(dirname(path));
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

async function readFirst(folders: readonly string[], file: string): Promise<string | null> {
  for (const folder of folders) {
    const text = await readText(join(folder, file));
    if (text !== null) return text;
  }
  return null;
}

function noneOf(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
