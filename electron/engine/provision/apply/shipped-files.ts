/** The two large files that go to every host: the Node runtime and the release. Their digests are computed once. */
import { stat } from 'node:fs/promises';
import { hostLayout } from '../../../../cluster-node/contract/host-layout.ts';
import type { EngineResources } from '../../resources.ts';
import type { HostConnection } from '../../ssh/connection.ts';
import { sha256OfFile, upload } from '../../ssh/upload.ts';

export interface ShippedFile {
  readonly localPath: string;
  /** Relative to the login's home. */
  readonly remotePath: string;
  readonly mode: number;
}

export function runtimeFile(resources: EngineResources): ShippedFile {
  return { localPath: resources.runtimePath, remotePath: hostLayout.runtime(resources.runtimeVersion), mode: 0o755 };
}

export function releaseFile(resources: EngineResources): ShippedFile {
  return {
    localPath: resources.nodeBundlePath,
    remotePath: hostLayout.release(resources.nodeBundleVersion),
    mode: 0o644,
  };
}

export class Shipping {
  readonly #digests = new Map<string, { key: string; digest: Promise<string> }>();

  /** Begins to compute the digests, so that they are there when the hosts have been checked. */
  prepare(files: readonly ShippedFile[]): void {
    // A file that cannot be read is reported by the step that ships it.
    for (const file of files) this.#digestOf(file.localPath).catch(() => undefined);
  }

  /** Throws SshError. `onProgress` gets a ratio in [0, 1]. */
  async ship(
    connection: HostConnection,
    file: ShippedFile,
    options: { home: string; signal: AbortSignal; onProgress: (ratio: number) => void },
  ): Promise<{ outcome: 'uploaded' | 'unchanged'; totalBytes: number }> {
    return upload(connection, {
      source: { localPath: file.localPath },
      // Absolute: a login shell may start somewhere else than in its home.
      remotePath: `${options.home}/${file.remotePath}`,
      mode: file.mode,
      sha256: await this.#digestOf(file.localPath),
      onProgress: ({ sentBytes, totalBytes }) => options.onProgress(totalBytes === 0 ? 1 : sentBytes / totalBytes),
      signal: options.signal,
    });
  }

  /** By path, size and time, so that a rebuilt file is digested again. */
  async #digestOf(path: string): Promise<string> {
    const { size, mtimeMs } = await stat(path);
    const key = `${size} ${mtimeMs}`;
    const known = this.#digests.get(path);
    if (known?.key === key) return known.digest;
    const digest = sha256OfFile(path);
    this.#digests.set(path, { key, digest });
    return digest;
  }
}
