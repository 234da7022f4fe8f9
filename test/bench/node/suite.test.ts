import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const main = join(import.meta.dirname, '../main.ts');

it('measures real nodes from end to end', { timeout: 120_000 }, async () => {
  const args = [
    'node',
    '--alone',
    '--only',
    'puts,transfer',
    '--callers',
    '8',
    '--rounds',
    '1',
    '--seconds',
    '1',
    '--times',
    '1',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args, '--json']);
  const { rows, failures } = JSON.parse(stdout) as {
    rows: { scenario: string; figure: string; values: { synod: { median: number } } }[];
    failures: string[];
  };
  const of = (scenario: string, figure: string) =>
    rows.find((row) => row.scenario === scenario && row.figure === figure)?.values.synod.median;
  expect(failures).toEqual([]);
  expect(of('puts, 8 callers', 'operations a second')).toBeGreaterThan(1);
  expect(of('puts, 8 callers', 'errors')).toBe(0);
  expect(of('puts, 8 callers', 'leader CPU µs/op')).toBeGreaterThan(0);
  expect(of('transfer of leadership', 'no writes for ms')).toBeGreaterThan(0);
});

it('says what it does not understand', async () => {
  const run = promisify(execFile)(process.execPath, [main, 'node', '--only', 'everything']);
  await expect(run).rejects.toThrow('--only everything: the parts are puts');
});
