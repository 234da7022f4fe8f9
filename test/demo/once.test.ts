/** The main job without a person, as the README gives it. Figures are printed here and judged in benchmarks. */
import { describe, expect, it } from 'vitest';
import { isBuilt, startSynod } from './synod.ts';

describe.skipIf(!isBuilt)('synod demo --headless --once --json', () => {
  it('provisions, fails over, survives a kill and a partition, loses nothing and leaves nothing', async () => {
    const run = startSynod(['demo', '--headless', '--once', '--json']);
    const result = await run.firstObject;
    expect(await run.exited, run.said()).toBe(0);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    expect(result).toMatchObject({ ok: true, writesLost: 0, residue: [] });
    expect(result['writesAcknowledged']).toBeGreaterThan(500);
    expect(result['hosts']).toHaveLength(3);
    expect(result['nodes']).toHaveLength(3);
    const { failover, kill, partition } = result as Record<string, Record<string, unknown>>;
    expect(failover?.['from']).not.toBe(failover?.['to']);
    expect(kill?.['node']).toBe(failover?.['to']);
    expect(partition?.['isolated']).not.toBe(partition?.['newLeader']);
  }, 120_000);

  it('says what is wrong with its options and exits with 2', async () => {
    for (const args of [
      ['demo', '--nodes', 'many'],
      ['demo', '--once', '--nodes', '2'],
      ['demo', '--no-such-option'],
    ]) {
      const run = startSynod(args);
      expect(await run.exited, run.said()).toBe(2);
      expect(run.said()).not.toBe('');
    }
  });
});
