/** The files that the engine ships or starts, as the build laid them out. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { EngineResources } from '../engine/engine.ts';
import { resolveCacheDir } from './state-dir.ts';

const buildRecordSchema = z.object({
  version: z.string(),
  nodeBundle: z.object({ version: z.string(), sha256: z.string() }),
  runtimePackages: z.record(z.string(), z.object({ name: z.string(), version: z.string(), integrity: z.string() })),
});

/** `distDir`: the build's folder (`dist/`), or the packaged app's. Throws when the build is not complete. */
export function loadResources(distDir: string): EngineResources {
  const record = buildRecordSchema.parse(JSON.parse(readFileSync(join(distDir, 'build.json'), 'utf8')));
  const runtime = findRuntime(distDir);
  const nodeExecutable = process.versions['electron'] === undefined ? process.execPath : runtime.path;
  return {
    runtimeVersion: runtime.version,
    runtimes: { ...otherRuntimes(distDir), [process.arch]: runtime.path },
    runtimePackages: record.runtimePackages,
    runtimeCacheDir: join(resolveCacheDir(), 'runtimes'),
    nodeBundlePath: join(distDir, 'node/synod-node.cjs'),
    nodeBundleVersion: record.nodeBundle.version,
    labServerPath: process.platform === 'win32' ? null : join(distDir, 'lab/server.js'),
    nodeExecutable,
  };
}

/** Runtimes of other architectures, where somebody has installed them beside our own (npm does not by itself). */
function otherRuntimes(distDir: string): Record<string, string> {
  const found = ['x64', 'arm64'].map((architecture) => {
    return [architecture, join(distDir, `../node_modules/node-linux-${architecture}/bin/node`)] as const;
  });
  return Object.fromEntries(found.filter(([, path]) => existsSync(path)));
}

/**
 * The runtime for hosts of the console's own architecture: the packaged app carries it in its resources, a checkout in node_modules. Those
 * of other architectures are fetched when they are needed.
 */
function findRuntime(distDir: string): { path: string; version: string } {
  const packaged = join(distDir, 'runtime');
  const installed = join(distDir, `../node_modules/node-linux-${process.arch}`);
  for (const folder of [packaged, installed]) {
    const path = join(folder, 'bin/node');
    if (!existsSync(path)) continue;
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
    return { path, version: `node-${version}` };
  }
  throw new Error(`the Node runtime for hosts is missing. Run "npm ci" again: it brings node-linux-${process.arch}.`);
}
