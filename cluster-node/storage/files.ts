/** Files that must be there after a power cut: contents first, then the name, then the folder that holds the name. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes names created, renamed or removed in this folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces `path` at once or not at all, durably. */
export async function writeFileDurably(path: string, contents: Buffer): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(contents);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Writes everything or throws: one `write` may write less than it was given. */
export async function writeFully(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw new Error(`nothing was written at offset ${position + done}`);
    done += bytesWritten;
  }
}

/** Reads up to `bytes.length` bytes; fewer only at the end of the file. */
export async function readFully(handle: FileHandle, bytes: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

const ZEROS = Buffer.alloc(1024 * 1024);

/** Makes `path` anew, `sizeBytes` zeros, contents and name durable. Throws ENOSPC and then leaves nothing behind. */
export async function createZeroed(path: string, sizeBytes: number): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  try {
    for (let at = 0; at < sizeBytes; at += ZEROS.length) {
      await writeFully(handle, ZEROS.subarray(0, sizeBytes - at), at);
      await handle.datasync();
    }
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await syncFolder(dirname(path));
}
