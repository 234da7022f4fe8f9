/** The two large files that go to every host: the Node runtime of its architecture and the release. Digests are computed once. */
import { stat } from 'node:fs/promises';
import type { EngineResources } from '../../resources.ts';
import type { Executor } from '../../ssh/elevation.ts';
import { sha256OfFile, upload } from '../../ssh/upload.ts';
import type { ShippedResource } from '../plan/resources.ts';
import type { Runtimes } from './runtimes.ts';

export type ShippedFacts = Readonly<Record<'runtime' | 'release', { readonly digest: string; readonly bytes: number }>>;

export interface ShipOptions {
  /** Where a seed is; null: none is shipped. */
  readonly seedPath: string | null;
  /** As `uname -m` names it. */
  readonly architecture: string;
  readonly signal: AbortSignal;
  /** A ratio in [0, 1]. */
  readonly onProgress: (ratio: number) => void;
}

export class Shipping {
  readonly #resources: EngineResources;
  readonly #runtimes: Runtimes;
  readonly #digests = new Map<string, { key: string; digest: Promise<string> }>();

  constructor(parts: { resources: EngineResources; runtimes: Runtimes }) {
    this.#resources = parts.resources;
    this.#runtimes = parts.runtimes;
  }

  /** What goes to a host of this architecture. Throws FailureError `noRuntime`. */
  async describe(architecture: string, host: string): Promise<ShippedFacts> {
    const [runtime, release] = await Promise.all([
      this.#runtimes.pathFor(architecture, host).then((path) => this.#describe(path)),
      this.#describe(this.#resources.nodeBundlePath),
    ]);
    return { runtime, release };
  }

  /** Throws SshError. Does nothing where the file is in place already. */
  async ship(executor: Executor, file: ShippedResource, options: ShipOptions): Promise<void> {
    const localPath = await this.#pathOf(file.source, executor.label, options);
    await upload(executor, {
      source: { localPath },
      remotePath: file.path,
      mode: file.access.mode,
      sha256: file.digest,
      onProgress: ({ sentBytes, totalBytes }) => options.onProgress(totalBytes === 0 ? 1 : sentBytes / totalBytes),
      signal: options.signal,
    });
  }

  async #pathOf(source: ShippedResource['source'], host: string, options: ShipOptions): Promise<string> {
    if (source === 'release') return this.#resources.nodeBundlePath;
    if (source === 'runtime') return this.#runtimes.pathFor(options.architecture, host);
    if (options.seedPath === null) throw new Error('there is no seed to ship');
    return options.seedPath;
  }

  async #describe(path: string): Promise<{ digest: string; bytes: number }> {
    const { size, mtimeMs } = await stat(path);
    // By path, size and time, so that a rebuilt file is digested again.
    const key = `${size} ${mtimeMs}`;
    const known = this.#digests.get(path);
    if (known?.key === key) return { digest: await known.digest, bytes: size };
    const digest = sha256OfFile(path);
    this.#digests.set(path, { key, digest });
    return { digest: await digest, bytes: size };
  }
}
