/**
 * The Node runtime for a host's architecture. Hosts may have no way to the internet, so everything goes to them from here: what this
 * installation brings, what was fetched before, or what is fetched now by npm, in exactly the version and with exactly the digest
 * that this build was made with.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FailureError } from '../../operations/failure.ts';
import type { EngineResources } from '../../resources.ts';

const run = promisify(execFile);
const FETCH_TIMEOUT_MS = 180_000;

/** `uname -m` → the architecture of a Node runtime. */
const architectures: Readonly<Record<string, string>> = {
  x86_64: 'x64',
  amd64: 'x64',
  aarch64: 'arm64',
  arm64: 'arm64',
};

export class Runtimes {
  readonly #resources: Pick<EngineResources, 'runtimes' | 'runtimePackages' | 'runtimeCacheDir'>;
  readonly #fetching = new Map<string, Promise<string>>();

  constructor(resources: Pick<EngineResources, 'runtimes' | 'runtimePackages' | 'runtimeCacheDir'>) {
    this.#resources = resources;
  }

  /** `machine` as `uname -m` names it. Throws FailureError `wrongArchitecture`, `noRuntime`. */
  async pathFor(machine: string, host: string): Promise<string> {
    const architecture = architectures[machine];
    const { runtimes, runtimePackages } = this.#resources;
    const known = [...new Set([...Object.keys(runtimes), ...Object.keys(runtimePackages)])];
    if (architecture === undefined || !known.includes(architecture))
      throw new FailureError({
        kind: 'wrongArchitecture',
        host,
        message: `${host} is ${machine}, and there is a runtime for ${known.join(' and ')} only. Nothing was changed.`,
        nextStep: 'Use a host of another architecture.',
      });
    const atHand = runtimes[architecture] ?? null;
    if (atHand !== null) return atHand;
    const cached = join(this.#folderOf(architecture), 'bin/node');
    if (existsSync(cached)) return cached;
    const fetching = this.#fetching.get(architecture) ?? this.#fetch(architecture);
    this.#fetching.set(architecture, fetching);
    try {
      return await fetching;
    } catch (cause) {
      throw this.#notAtHand({ architecture, machine, host, cause });
    } finally {
      this.#fetching.delete(architecture);
    }
  }

  #folderOf(architecture: string): string {
    const { name, version } = this.#packageOf(architecture);
    return join(this.#resources.runtimeCacheDir, `${name}-${version}`);
  }

  #packageOf(architecture: string): { name: string; version: string; integrity: string } {
    const found = this.#resources.runtimePackages[architecture];
    if (found === undefined) throw new Error(`no package holds a runtime for ${architecture}`);
    return found;
  }

  async #fetch(architecture: string): Promise<string> {
    const { name, version, integrity } = this.#packageOf(architecture);
    const folder = this.#folderOf(architecture);
    await mkdir(this.#resources.runtimeCacheDir, { recursive: true });
    const aside = await mkdtemp(join(this.#resources.runtimeCacheDir, '.fetching-'));
    try {
      // A file that somebody brought by hand does as well: its digest decides.
      const brought = join(this.#resources.runtimeCacheDir, `${name}-${version}.tgz`);
      if (!existsSync(brought))
        await run('npm', ['pack', `${name}@${version}`, '--pack-destination', aside, '--ignore-scripts'], {
          timeout: FETCH_TIMEOUT_MS,
          cwd: aside,
        });
      const archive = existsSync(brought) ? brought : join(aside, `${name}-${version}.tgz`);
      const digest = `sha512-${createHash('sha512')
        .update(await readFile(archive))
        .digest('base64')}`;
      if (digest !== integrity) throw new Error(`${archive} has the digest ${digest}, not ${integrity}`);
      await run('tar', ['-xzf', archive, '-C', aside, '--strip-components=1', 'package/bin/node']);
      await rm(join(aside, `${name}-${version}.tgz`), { force: true });
      await rename(aside, folder);
      return join(folder, 'bin/node');
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  }

  #notAtHand(at: { architecture: string; machine: string; host: string; cause: unknown }): FailureError {
    const { name, version } = this.#packageOf(at.architecture);
    const why = whyNot(at.cause);
    return new FailureError(
      {
        kind: 'noRuntime',
        host: at.host,
        command: `npm pack ${name}@${version}`,
        message: `${at.host} is ${at.machine}, and the Node runtime for it is not at hand: ${why}. Nothing was changed.`,
        nextStep: `Run \`npm pack ${name}@${version}\` where there is a network and put the file into ${this.#resources.runtimeCacheDir}, then run this again.`,
      },
      { cause: at.cause },
    );
  }
}

/** npm's own first word on it, where there is one. */
function whyNot(cause: unknown): string {
  const said = (cause as { stderr?: unknown }).stderr;
  const line =
    typeof said === 'string' ? said.split('\n').find((one) => /^npm (error|ERR!) [^c]/.test(one)) : undefined;
  return line?.replace(/^npm (error|ERR!) /, '') ?? (cause instanceof Error ? cause.message : String(cause));
}
