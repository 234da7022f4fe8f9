/**
 * electron-builder.yml, put to work on a stand-in for Electron's binary (which is a download): the schema is validated, the
 * archive is built, resources are copied and fuses are set. That the packaged app starts is not shown here.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extractFile, listPackage } from '@electron/asar';
import { Arch, build, Platform } from 'electron-builder';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = existsSync(join(root, 'dist/build.json'));
const folder = mkdtempSync(join(tmpdir(), 'synod-packaging-'));
const unpacked = join(folder, 'out/linux-unpacked');

/** Marks the place of the fuses in Electron's binary (electron/fuses, "fuse wire"). */
const FUSE_SENTINEL = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
const FUSE_COUNT = 9;

function standInElectron(): string {
  const dist = join(folder, 'electron');
  mkdirSync(join(dist, 'locales'), { recursive: true });
  const wire = Buffer.concat([
    Buffer.from(FUSE_SENTINEL),
    Buffer.from([1, FUSE_COUNT]),
    Buffer.from('0'.repeat(FUSE_COUNT)),
  ]);
  writeFileSync(join(dist, 'electron'), Buffer.concat([Buffer.alloc(64), wire, Buffer.alloc(64)]), { mode: 0o755 });
  for (const name of ['LICENSE', 'LICENSES.chromium.html', 'version', 'resources.pak'])
    writeFileSync(join(dist, name), '');
  return dist;
}

describe.skipIf(!built)('the package for Linux', () => {
  beforeAll(async () => {
    await build({
      projectDir: root,
      publish: 'never',
      targets: Platform.LINUX.createTarget('dir', Arch.x64),
      config: {
        extends: join(root, 'electron-builder.yml'),
        electronDist: standInElectron(),
        directories: { output: join(folder, 'out') },
      },
    });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('packs the shell and the renderer, and neither dependencies nor sources', () => {
    const files = listPackage(join(unpacked, 'resources/app.asar'), { isPack: false });
    expect(files).toContain('/dist/desktop/main.js');
    expect(files).toContain('/dist/desktop/preload.cjs');
    expect(files).toContain('/dist/app/index.html');
    expect(files.filter((file) => /node_modules|\.tsx?$/.test(file))).toEqual([]);
    const manifest = JSON.parse(extractFile(join(unpacked, 'resources/app.asar'), 'package.json').toString());
    expect(manifest.main).toBe('dist/desktop/main.js');
  });

  it('carries what is shipped to hosts', () => {
    const resources = join(unpacked, 'resources/synod');
    for (const file of [
      'build.json',
      'node/synod-node.cjs',
      'lab/server.js',
      'runtime/bin/node',
      'runtime/package.json',
    ])
      expect(existsSync(join(resources, file)), file).toBe(true);
  });

  it('switches off what would let others run code in the app', () => {
    const binary = readFileSync(join(unpacked, 'synod'));
    const at = binary.indexOf(FUSE_SENTINEL) + FUSE_SENTINEL.length + 2;
    const fuses = [...binary.subarray(at, at + FUSE_COUNT)].map((byte) => String.fromCharCode(byte)).join('');
    // Order of @electron/fuses: RunAsNode, cookie encryption, NODE_OPTIONS, --inspect, asar integrity, only asar.
    expect(fuses.slice(0, 6)).toBe('010011');
  });
});

if (!built) it('skipped: packaging needs a build (npm run build)', ({ skip }) => skip());
