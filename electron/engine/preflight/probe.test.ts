import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diskSyncScript, parseDiskSync } from './disk-sync.ts';
import { parseProbe, probeScript } from './probe.ts';

const shell = (script: string, env: NodeJS.ProcessEnv = process.env) =>
  execFileSync('sh', ['-s'], { input: script, encoding: 'utf8', env });

describe.skipIf(process.platform !== 'linux')('the probe', () => {
  it('reads this machine', () => {
    const probe = parseProbe(shell(probeScript('/var/lib/not/there/yet')), 'alpha');
    expect(probe.data).toMatchObject({ at: '/var/lib', mount: expect.stringMatching(/^\//) });
    expect(probe.data.freeBytes).toBeGreaterThan(0);
    expect(probe.data.freeBytes).toBeLessThanOrEqual(probe.data.totalBytes ?? 0);
    expect(probe.memoryAvailableBytes).toBeGreaterThan(0);
    expect(probe.rights).toBe(process.getuid?.() === 0 ? 'root' : probe.rights);
  });

  it('reads what a drive behind smartctl says of itself, and nothing where smartctl says nothing', () => {
    const output = (smart: string) => `rights=none\ndataAt=/\nsmart=${smart}\n`;
    const drive = { smart_status: { passed: false }, ata_smart_attributes: { table: [] } };
    expect(parseProbe(output(JSON.stringify(drive)), 'alpha').smart).toEqual(drive);
    // As smartctl 7.3 answers for a virtual disk, with exit status 1.
    const virtual = { smartctl: { version: [7, 3], exit_status: 1 }, device: { name: '/dev/vda', type: 'scsi' } };
    expect(parseProbe(output(JSON.stringify(virtual)), 'alpha').smart).toBeNull();
    expect(parseProbe(output(''), 'alpha').smart).toBeNull();
  });

  it('refuses what is not its own output', () => {
    expect(() => parseProbe('Welcome to alpha!\nrights=everything\ndataAt=/\n', 'alpha')).toThrow(/rights is missing/);
  });
});

describe.skipIf(process.platform !== 'linux')('the measurement of syncs', () => {
  it('times a real disk and leaves nothing behind', () => {
    const folder = mkdtempSync(join(tmpdir(), 'synod-sync-'));
    const sync = parseDiskSync(shell(diskSyncScript(folder)));
    expect(sync?.count).toBeGreaterThan(10);
    expect(sync?.p99Ms).toBeGreaterThanOrEqual(sync?.p50Ms ?? 0);
    expect(sync?.p50Ms).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
    rmdirSync(folder);
  });

  it('takes percentiles after the first writes, and says nothing of too few', () => {
    const lines = (count: number) =>
      Array.from(
        { length: count },
        (_, at) => `4096 bytes (4.1 kB, 4.0 KiB) copied, ${(at + 1) / 1000} s, 3.3 MB/s`,
      ).join('\n');
    expect(parseDiskSync(lines(100))).toEqual({ p50Ms: 53, p99Ms: 100, count: 95 });
    expect(parseDiskSync(lines(12))).toBeNull();
    expect(parseDiskSync('dd: failed to open')).toBeNull();
  });
});
