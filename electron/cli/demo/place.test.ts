/** Which folders the clean-up after a killed demo takes for its own. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { identify } from '../../engine/lab/process-identity.ts';
import { abandonedPlaces, makePlace, removePlace } from './place.ts';

let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(realpathSync(tmpdir()), 'sy-'));
  vi.stubEnv('TMPDIR', parent);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(parent, { recursive: true });
});

function plant(name: string, owner: unknown): string {
  const root = join(parent, `synod-demo-${name}`);
  mkdirSync(root, { mode: 0o700 });
  if (owner !== undefined)
    writeFileSync(join(root, 'owner.json'), typeof owner === 'string' ? owner : JSON.stringify(owner));
  return root;
}

const gone = { pid: 2 ** 22 + 1, startedAt: '1' };

it('finds the folder of a demo whose process is gone, and only that', async () => {
  const mine = await makePlace();
  const left = plant('left', gone);
  const own = await identify(process.pid);
  plant('recycled', { ...own, startedAt: '1' });
  plant('unowned', undefined);
  plant('garbled', 'no json');
  plant('empty', '');
  chmodSync(plant('shared', gone), 0o755);
  symlinkSync(left, join(parent, 'synod-demo-link'));
  expect((await abandonedPlaces()).map((place) => place.root).sort()).toEqual([
    left,
    join(parent, 'synod-demo-recycled'),
  ]);
  removePlace(mine);
  expect(existsSync(mine.root)).toBe(false);
});
