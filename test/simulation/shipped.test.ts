import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildNodeBundle } from '../fixtures/node-bundle.ts';
import { CONTROLS, CORRECT } from './controls.ts';

test('nothing of the simulator and none of its known bugs are in the shipped program', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'synod-shipped-'));
  try {
    const whole = await readFile(await buildNodeBundle(folder), 'utf8');
    // The map of the sources repeats them, encoded; its list of files is looked through instead.
    const [program = '', map = ''] = whole.split('//# sourceMappingURL=data:application/json;base64,');
    expect(program).toContain('mayAcknowledge');
    const switches = Object.keys(CORRECT).filter(
      (name) => name !== 'rules' && name !== 'recovered' && name !== 'snapshot',
    );
    const words = ['test/simulation', 'SimulatedNode', ...Object.keys(CONTROLS), ...switches];
    expect(words.filter((word) => new RegExp(`\\b${word}\\b`).test(program))).toEqual([]);
    const { sources } = JSON.parse(Buffer.from(map, 'base64').toString()) as { sources: string[] };
    expect(sources.some((source) => source.includes('cluster-node/paxos/rules.ts'))).toBe(true);
    expect(sources.filter((source) => /(^|\/)test\//.test(source))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
