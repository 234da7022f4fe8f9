import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { labObstacle } from '../../lab/obstacle.ts';

const main = join(import.meta.dirname, '../main.ts');
const obstacle = labObstacle();

it.skipIf(obstacle !== null)(
  `measures real hosts from end to end (skipped: ${obstacle})`,
  { timeout: 15 * 60_000 },
  async () => {
    const args = ['hosts', '--hosts', '1', '--many', '3', '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args]);
    const { figures } = JSON.parse(stdout) as { figures: { name: string; medianSeconds: number }[] };
    expect(figures.map(({ name }) => name)).toEqual([
      '1 hosts added',
      'from nothing to a verified cluster',
      'a second apply that changes nothing',
      'another one, where the runtime is there',
      'warm destroyed, with proof',
      'cold destroyed, with proof',
      'plans over 3 hosts',
      '3 hosts checked, with every link',
    ]);
    for (const { medianSeconds } of figures) expect(medianSeconds).toBeGreaterThan(0);
  },
);

it('says what it does not understand', async () => {
  const run = (args: readonly string[]) => promisify(execFile)(process.execPath, [main, 'hosts', ...args]);
  await expect(run(['--hosts', 'many'])).rejects.toThrow('--hosts is a whole number from 1 to 31, not many');
  await expect(run(['--place', 'attic'])).rejects.toThrow('--place is system or home, not attic');
});
