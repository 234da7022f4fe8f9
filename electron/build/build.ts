/**
 * Builds everything that is run or shipped into `dist/`:
 *
 *   node/synod-node.cjs     node, agent and supervisor in one file: what goes to the hosts
 *   cli/synod.js            the command line with an engine of its own
 *   lab/server.js           the SSH server of the hosts on this computer
 *   desktop/                main, engine and preload of the Electron shell
 *   app/                    the renderer
 *   build.json              what was built, from which sources
 *
 * `--is-fresh` builds nothing and exits 0 when `dist/` belongs to the sources as they are.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const dist = join(root, 'dist');
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** Changes whenever a source file changes: names, sizes and times, which is enough for a freshness check. */
function sourcesDigest(): string {
  const hash = createHash('sha256');
  const visit = (path: string) => {
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else if (!/\.test\.tsx?$/.test(path)) hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
  };
  for (const top of ['app', 'electron', 'cluster-node', 'package-lock.json']) visit(join(root, top));
  return hash.digest('hex');
}

interface BuildRecord {
  readonly sources: string;
  readonly version: string;
  readonly nodeBundle: { readonly version: string; readonly sha256: string };
  /** Where the Node runtime for hosts comes from, by architecture, for those that are not installed here. */
  readonly runtimePackages: Readonly<Record<string, { name: string; version: string; integrity: string }>>;
}

function runtimePackages(): BuildRecord['runtimePackages'] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; integrity: string } | undefined>;
  };
  const found = ['x64', 'arm64'].flatMap((architecture) => {
    const name = `node-linux-${architecture}`;
    const locked = lock.packages[`node_modules/${name}`];
    return locked ? [[architecture, { name, version: locked.version, integrity: locked.integrity }] as const] : [];
  });
  return Object.fromEntries(found);
}

function isFresh(): boolean {
  try {
    const record = JSON.parse(readFileSync(join(dist, 'build.json'), 'utf8')) as BuildRecord;
    return record.sources === sourcesDigest();
  } catch {
    return false;
  }
}

const shared: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  absWorkingDir: root,
  logLevel: 'warning',
  legalComments: 'none',
  define: { __SYNOD_VERSION__: JSON.stringify(packageJson.version) },
  external: ['electron', 'cpu-features', '*.node'],
};

/** ssh2 is CommonJS and asks for what ES modules do not have. */
const commonJsBanner = {
  js: [
    "import { createRequire as __createRequire } from 'node:module';",
    "import { fileURLToPath as __fileURLToPath } from 'node:url';",
    "import { dirname as __dirnameOf } from 'node:path';",
    'const require = __createRequire(import.meta.url);',
    'const __filename = __fileURLToPath(import.meta.url);',
    'const __dirname = __dirnameOf(__filename);',
  ].join('\n'),
};

const esm = (entry: string, outfile: string): BuildOptions => ({
  ...shared,
  entryPoints: [entry],
  outfile,
  format: 'esm',
  banner: commonJsBanner,
});

const cjs = (entry: string, outfile: string): BuildOptions => ({
  ...shared,
  entryPoints: [entry],
  outfile,
  format: 'cjs',
});

async function buildProcesses(): Promise<void> {
  await Promise.all([
    build(cjs('cluster-node/cli.ts', 'dist/node/synod-node.cjs')),
    build(esm('electron/cli/main.ts', 'dist/cli/synod.js')),
    build(esm('electron/engine/lab/server-main.ts', 'dist/lab/server.js')),
    build(esm('electron/desktop/main.ts', 'dist/desktop/main.js')),
    build(esm('electron/desktop/engine-process.ts', 'dist/desktop/engine.js')),
    build(cjs('electron/desktop/preload.ts', 'dist/desktop/preload.cjs')),
  ]);
}

async function buildRenderer(): Promise<void> {
  const { build: viteBuild } = await import('vite');
  await viteBuild({ configFile: join(root, 'app/vite.config.ts'), logLevel: 'warn' });
}

function recordBuild(sources: string): void {
  const sha256 = createHash('sha256')
    .update(readFileSync(join(dist, 'node/synod-node.cjs')))
    .digest('hex');
  const record: BuildRecord = {
    sources,
    version: packageJson.version,
    nodeBundle: { version: `${packageJson.version}-${sha256.slice(0, 12)}`, sha256 },
    runtimePackages: runtimePackages(),
  };
  writeFileSync(join(dist, 'build.json.new'), `${JSON.stringify(record, null, 2)}\n`);
  renameSync(join(dist, 'build.json.new'), join(dist, 'build.json'));
}

if (process.argv.includes('--is-fresh')) {
  process.exit(isFresh() ? 0 : 1);
} else {
  const sources = sourcesDigest();
  rmSync(join(dist, 'build.json'), { force: true });
  await buildProcesses();
  if (!process.argv.includes('--no-renderer')) await buildRenderer();
  recordBuild(sources);
}
