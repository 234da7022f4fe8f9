/**
 * Puts a file onto a host over plain exec channels, without SFTP. What arrives is appended to `<path>.part`, so that an
 * interrupted upload goes on where it stopped; the digest is computed on the host before the part is renamed into place, and
 * file and folder are synced: a file that was not is garbage after a power cut, even half a minute later.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Executor } from './elevation.ts';
import { type ShellCommand, ShellFragment, sh } from './shell-command.ts';
import { SshError } from './ssh-error.ts';

export interface UploadRequest {
  source: { localPath: string } | { content: Uint8Array };
  /** Absolute, or relative to the home folder; its folder is made when missing. */
  remotePath: string;
  /** Permission bits, such as 0o755. */
  mode: number;
  /** Lower-case hex; computed from the source when absent. Give it where one file goes to many hosts. */
  sha256?: string | undefined;
  /** Bytes that are on the host so far, of all; starts where an interrupted upload had come to. */
  onProgress?: ((progress: { sentBytes: number; totalBytes: number }) => void) | undefined;
  /** Longest time without progress; 60,000. */
  idleTimeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface UploadResult {
  /** `unchanged`: the file was in place already, with this digest; nothing was sent. */
  outcome: 'uploaded' | 'unchanged';
  sha256: string;
  totalBytes: number;
  /** Bytes that an earlier, interrupted upload had left on the host and that were used. */
  resumedFromBytes: number;
}

const READ_CHUNK_BYTES = 256 << 10;
/** Ends of the script on the host that are told apart by their exit code. */
const PLACED = 0;
const WRONG_DIGEST = 9;
/** The end of stdin came too early: the part is kept, to go on from. */
const CUT_OFF = 8;

/** Throws SshError: `diskFull`, `uploadCorrupted`, `localFile`, or what `exec` throws. Repeating it goes on or does nothing. */
export async function upload(connection: Executor, request: UploadRequest): Promise<UploadResult> {
  const file = await describeSource(connection, request);
  const found = await probe(connection, file, request);
  if (found.placed)
    return { outcome: 'unchanged', sha256: file.sha256, totalBytes: file.totalBytes, resumedFromBytes: 0 };
  const resumed = found.partBytes;
  if (await send(connection, { file, request, fromByte: resumed })) return result(file, resumed);
  if (await send(connection, { file, request, fromByte: 0 })) return result(file, 0);
  throw new SshError({
    kind: 'uploadCorrupted',
    host: connection.label,
    problem: `what arrived at ${request.remotePath} has not the digest ${file.sha256}, twice in a row`,
    nextStep:
      'Nothing was put in place. Check the local file (is it being rebuilt?) and the memory and disk of the host.',
  });
}

interface SourceFile {
  totalBytes: number;
  sha256: string;
  /** Bytes from this offset to the end. */
  read: (fromByte: number) => Readable;
}

function result(file: SourceFile, resumedFromBytes: number): UploadResult {
  return { outcome: 'uploaded', sha256: file.sha256, totalBytes: file.totalBytes, resumedFromBytes };
}

async function describeSource(connection: Executor, request: UploadRequest): Promise<SourceFile> {
  const { source } = request;
  if ('content' in source) {
    const { content } = source;
    const sha256 = request.sha256 ?? createHash('sha256').update(content).digest('hex');
    return { totalBytes: content.length, sha256, read: (from) => Readable.from(chunksOf(content.subarray(from))) };
  }
  const { localPath } = source;
  try {
    const totalBytes = (await stat(localPath)).size;
    const sha256 = request.sha256 ?? (await sha256OfFile(localPath));
    const read = (start: number): Readable => createReadStream(localPath, { start, highWaterMark: READ_CHUNK_BYTES });
    return { totalBytes, sha256, read };
  } catch (cause) {
    throw new SshError({
      kind: 'localFile',
      host: connection.label,
      problem: `the file to upload cannot be read: ${(cause as Error).message}`,
      nextStep: 'Build it, or make it readable, and run the step again.',
      cause,
    });
  }
}

/** Lower-case hex. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

function* chunksOf(content: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < content.length; at += READ_CHUNK_BYTES) yield content.subarray(at, at + READ_CHUNK_BYTES);
}

async function probe(
  connection: Executor,
  file: SourceFile,
  request: UploadRequest,
): Promise<{ placed: boolean; partBytes: number }> {
  const path = request.remotePath;
  const part = `${path}.part`;
  const command = sh`umask 077; mkdir -p -- ${folderOf(path)} || exit 1
if [ -f ${path} ] && [ "$(wc -c < ${path})" -eq ${file.totalBytes} ] &&
  [ "$(sha256sum < ${path} | cut -d ' ' -f 1)" = ${file.sha256} ]; then chmod ${octal(request.mode)} ${path}; echo placed
elif [ -f ${part} ] && [ ! -L ${part} ]; then wc -c < ${part}
else echo 0; fi`;
  const { stdout } = await withDiskFull(connection, request, () =>
    connection.exec(command, { signal: request.signal, timeoutMs: request.idleTimeoutMs ?? 60_000 }),
  );
  const answer = stdout.trim();
  if (answer === 'placed') return { placed: true, partBytes: 0 };
  const partBytes = Number.parseInt(answer, 10);
  // A part longer than the file is not a beginning of it.
  return { placed: false, partBytes: partBytes <= file.totalBytes ? partBytes : 0 };
}

/** False: the digest was wrong, and the part is gone. */
async function send(
  connection: Executor,
  parts: { file: SourceFile; request: UploadRequest; fromByte: number },
): Promise<boolean> {
  const { file, request, fromByte } = parts;
  const { totalBytes } = file;
  let sentBytes = fromByte;
  request.onProgress?.({ sentBytes, totalBytes });
  const stdin = file.read(fromByte);
  stdin.on('data', (chunk: Uint8Array) => {
    sentBytes += chunk.length;
    request.onProgress?.({ sentBytes, totalBytes });
  });
  stdin.pause();
  const { exitCode } = await withDiskFull(connection, request, () =>
    connection.exec(receiveCommand(request, { file, restart: fromByte === 0 }), {
      stdin,
      expectedExitCodes: [PLACED, WRONG_DIGEST],
      idleTimeoutMs: request.idleTimeoutMs ?? 60_000,
      signal: request.signal,
    }),
  );
  return exitCode === PLACED;
}

function receiveCommand(request: UploadRequest, parts: { file: SourceFile; restart: boolean }): ShellCommand {
  const { sha256, totalBytes } = parts.file;
  const path = request.remotePath;
  const part = `${path}.part`;
  // A new file, not a truncated one: what a cut-off upload may still write goes to the old one.
  const start = parts.restart ? sh`rm -f -- ${part}` : sh`[ ! -L ${part} ] || exit 1`;
  return sh`umask 077; ${new ShellFragment(start)}; cat >> ${part} || exit 1
[ "$(wc -c < ${part})" -ge ${totalBytes} ] || { echo 'the upload was cut off' >&2; exit ${CUT_OFF}; }
[ "$(sha256sum < ${part} | cut -d ' ' -f 1)" = ${sha256} ] || { rm -f -- ${part}; exit ${WRONG_DIGEST}; }
chmod ${octal(request.mode)} ${part} && sync ${part} && mv -f -- ${part} ${path} && sync ${folderOf(path)}`;
}

/** A full disk is told apart, and the part that fills it removed. */
async function withDiskFull<T>(connection: Executor, request: UploadRequest, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const stderr = error instanceof SshError ? (error.stderr ?? '') : '';
    if (!/no space left on device|disk quota exceeded/i.test(stderr)) throw error;
    await connection.exec(sh`rm -f -- ${`${request.remotePath}.part`}`).catch(() => {});
    throw new SshError({
      kind: 'diskFull',
      host: connection.label,
      command: (error as SshError).command ?? undefined,
      exitCode: (error as SshError).exitCode,
      stderr,
      problem: `no space left on the host for ${request.remotePath}`,
      nextStep: 'Free some space on that file system (df -h shows it) and run the step again; the part was removed.',
      cause: error,
    });
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '.' : slash === 0 ? '/' : path.slice(0, slash);
}

function octal(mode: number): string {
  return mode.toString(8);
}
