/**
 * A backup: one file that says what is in it and proves that it is whole.
 *
 *   "SYNODBK1"
 *   a snapshot as nodes have it on disk (cluster-node/storage/snapshot-file.ts)
 *   the manifest, JSON in UTF-8
 *   length of the manifest u32 (little-endian), SHA-256 of everything before it, "SYNODEND"
 *
 * The manifest stands at the end, because what it says is known only when all has come: a file without a right end is no backup.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { type BackupManifest, backupManifestSchema } from '../../contract/backup.ts';
import { FailureError } from '../operations/failure.ts';

const MAGIC = Buffer.from('SYNODBK1');
const END = Buffer.from('SYNODEND');
const DIGEST_BYTES = 32;
const LENGTH_BYTES = 4;
const TRAILER_BYTES = LENGTH_BYTES + DIGEST_BYTES + END.length;
const MAX_MANIFEST_BYTES = 64 * 1024;
const READ_BYTES = 1 << 20;

/** Writes a backup into a file that is there and empty. */
export class BackupWriter {
  readonly #file: FileHandle;
  readonly #whole = createHash('sha256');
  readonly #snapshot = createHash('sha256');
  #snapshotBytes = 0;
  #length = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** A piece of the snapshot. */
  async add(bytes: Uint8Array): Promise<void> {
    if (this.#length === 0) await this.#write(MAGIC);
    this.#snapshot.update(bytes);
    this.#snapshotBytes += bytes.length;
    await this.#write(bytes);
  }

  /** The last of it, on disk when it resolves. */
  async finish(about: Omit<BackupManifest, 'snapshotBytes' | 'snapshotSha256'>): Promise<BackupManifest> {
    const snapshotSha256 = this.#snapshot.digest('hex');
    const manifest = { ...about, snapshotBytes: this.#snapshotBytes, snapshotSha256 };
    const text = Buffer.from(JSON.stringify(manifest));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(text.length);
    await this.#write(text);
    await this.#write(length);
    await this.#put(Buffer.concat([this.#whole.digest(), END]));
    await this.#file.sync();
    return manifest;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#whole.update(bytes);
    await this.#put(bytes);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += (await this.#file.write(bytes, done, bytes.length - done, this.#length + done)).bytesWritten;
    this.#length += bytes.length;
  }
}

/** Reads all of it; `onSnapshot` gets the snapshot's pieces, of which nothing is proved before the end. Throws FailureError `badBackup`. */
export async function readBackup(
  path: string,
  onSnapshot: (bytes: Uint8Array) => Promise<void> = () => Promise.resolve(),
): Promise<BackupManifest> {
  const file = await open(path, 'r').catch((cause: Error) => {
    throw bad(path, `it cannot be read: ${cause.message}`, cause);
  });
  try {
    const { manifest, snapshotEnd, size } = await manifestOf(file, path);
    const whole = createHash('sha256');
    await eachPiece(file, { from: 0, to: MAGIC.length }, whole, () => Promise.resolve());
    const snapshot = createHash('sha256');
    await eachPiece(file, { from: MAGIC.length, to: snapshotEnd }, whole, (bytes) => {
      snapshot.update(bytes);
      return onSnapshot(bytes);
    });
    const digestAt = size - DIGEST_BYTES - END.length;
    await eachPiece(file, { from: snapshotEnd, to: digestAt }, whole, () => Promise.resolve());
    const digest = await bytesAt(file, digestAt, DIGEST_BYTES);
    if (!whole.digest().equals(digest)) throw bad(path, 'its SHA-256 is not the one that was written: it is damaged');
    if (snapshot.digest('hex') !== manifest.snapshotSha256)
      throw bad(path, 'its snapshot is not the one of its manifest');
    return manifest;
  } finally {
    await file.close();
  }
}

async function manifestOf(
  file: FileHandle,
  path: string,
): Promise<{ manifest: BackupManifest; snapshotEnd: number; size: number }> {
  const { size } = await file.stat();
  if (!(await bytesAt(file, 0, MAGIC.length)).equals(MAGIC)) throw bad(path, 'it does not begin as a backup of Synod');
  const trailer = await bytesAt(file, Math.max(0, size - TRAILER_BYTES), TRAILER_BYTES);
  if (trailer.length < TRAILER_BYTES || !trailer.subarray(-END.length).equals(END))
    throw bad(path, 'it does not end as a backup: it was cut off, or something stands behind it');
  const length = trailer.readUInt32LE(0);
  const snapshotEnd = size - TRAILER_BYTES - length;
  if (length > MAX_MANIFEST_BYTES || snapshotEnd < MAGIC.length) throw bad(path, 'the length of its manifest is wrong');
  const parsed = manifestTextSchema.safeParse((await bytesAt(file, snapshotEnd, length)).toString('utf8'));
  if (!parsed.success) throw bad(path, 'its manifest cannot be read: it is damaged, or of another version of Synod');
  if (parsed.data.snapshotBytes !== snapshotEnd - MAGIC.length)
    throw bad(
      path,
      `its snapshot has ${snapshotEnd - MAGIC.length} bytes and should have ${parsed.data.snapshotBytes}`,
    );
  return { manifest: parsed.data, snapshotEnd, size };
}

const manifestTextSchema = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'no JSON' });
      return z.NEVER;
    }
  })
  .pipe(backupManifestSchema);

async function eachPiece(
  file: FileHandle,
  { from, to }: { from: number; to: number },
  hash: Hash,
  take: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let at = from; at < to; ) {
    const bytes = await bytesAt(file, at, Math.min(READ_BYTES, to - at));
    if (bytes.length === 0) return;
    hash.update(bytes);
    await take(bytes);
    at += bytes.length;
  }
}

/** Fewer at the end of the file. */
async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}

function bad(path: string, what: string, cause?: Error): FailureError {
  return new FailureError(
    {
      kind: 'badBackup',
      message: `${path} cannot be used as a backup: ${what}.`,
      nextStep: 'Use another copy of it, or another backup. Nothing was changed.',
    },
    cause && { cause },
  );
}
