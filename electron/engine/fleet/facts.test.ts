import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { factsScript, parseFacts } from './facts.ts';

const at = { host: 'alpha', nowUnixMs: 5 };

describe('facts of a host', () => {
  it.skipIf(process.platform !== 'linux')('are gathered from a real shell', async () => {
    const server = createServer().listen(0, '127.0.0.21');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const stdout = execFileSync('sh', ['-s'], { input: factsScript, encoding: 'utf8' });
    const gathered = parseFacts(stdout, at);
    server.close();
    expect(gathered.facts).toMatchObject({ hostname: hostname(), gatheredAtUnixMs: 5 });
    expect(gathered.facts.homeFreeBytes).toBeGreaterThan(0);
    expect(gathered.homeWritable).toBe(true);
    expect(gathered.homeNoexec).toBe(false);
    expect(gathered.listeners).toContainEqual({ address: '127.0.0.21', port });
    expect(Math.abs((gathered.hostUnixMs ?? 0) - Date.now())).toBeLessThan(10_000);
  });

  it('refuses what is not its own output', () => {
    expect(() => parseFacts('Welcome to alpha!\nhome=/home/ops\n', at)).toThrow(/did not describe itself/);
  });
});
