/** Hosts of the operator's SSH configuration in the fleet: listed, added under their alias, asked for their passphrase. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { configuredHome, hostLines, knownLines } from './configured-place.ts';
import { hasSshd, type Place, SSHD, startOpenSsh } from './places.ts';
import { cleanUp, type EngineUnderTest, makeStateDir, startEngine } from '../engine/engine-under-test.ts';

it.for(hasSshd ? [] : [`skipped: no ${SSHD} here`])('%s', (_reason, { skip }) => skip());

describe.runIf(hasSshd)('hosts of ~/.ssh/config', { timeout: 60_000 }, () => {
  let stateDir: string;
  let gate: Place;
  let db1: Place;
  let engine: EngineUnderTest;
  let write: (config: string) => void;
  // Nothing is provisioned here.
  const resources: EngineResources = {
    runtimeVersion: 'none',
    runtimes: {},
    runtimePackages: {},
    runtimeCacheDir: '/nowhere',
    nodeBundlePath: '/nowhere',
    nodeBundleVersion: '0',
    labServerPath: '/nowhere',
    nodeExecutable: process.execPath,
  };

  beforeAll(async () => {
    stateDir = makeStateDir();
    [gate, db1] = await Promise.all([startOpenSsh('', '127.0.1.13'), startOpenSsh('', '127.0.1.14')]);
    const home = configuredHome(stateDir);
    const locked = join(stateDir, 'locked');
    execFileSync('cp', [join(db1.folder, 'client'), locked]);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', locked]);
    const behind = hostLines('db1', db1, 'ProxyJump gate').replace(join(db1.folder, 'client'), locked);
    home.write(`${hostLines('gate', gate)}${behind}Host *.example !x\n User nobody\n`);
    // Synod's own known_hosts is of this name, too: the keys count as trusted.
    writeFileSync(home.knownHostsPath, knownLines(gate, db1));
    engine = await startEngine(stateDir, resources, { sshWorld: home.world });
    write = home.write;
  });
  afterAll(async () => {
    await engine.engine.close();
    await Promise.all([gate.stop(), db1.stop()]);
    await cleanUp(stateDir);
  });

  it('are listed without patterns, as ssh would reach them', async () => {
    const listed = await engine.client.hosts.listConfigured();
    expect(
      listed.map(({ alias, address, port, via, inFleetAs }) => ({ alias, address, port, via, inFleetAs })),
    ).toEqual([
      { alias: 'gate', address: '127.0.1.13', port: gate.target.port, via: null, inFleetAs: null },
      {
        alias: 'db1',
        address: '127.0.1.14',
        port: db1.target.port,
        via: `${gate.target.user}@127.0.1.13:${gate.target.port}`,
        inFleetAs: null,
      },
    ]);
  });

  it('are added under their alias, and what they need is asked of who watches', async () => {
    const { client } = engine;
    const { address, port, user } = await client.hosts.resolve({ alias: 'db1' });
    const host = { name: 'db1', address, port, user, auth: { kind: 'default' }, alias: 'db1' } as const;
    const unanswered = await client.hosts.add(host);
    expect(unanswered.reachability).toMatchObject({ state: 'authFailed', failure: { kind: 'passphraseNeeded' } });
    const watching = new AbortController();
    const answering = (async () => {
      for await (const prompts of await client.prompts.watch(undefined, { signal: watching.signal }))
        for (const { promptId, about } of prompts) {
          expect(about).toBe(join(stateDir, 'locked'));
          await client.prompts.answer({ promptId, answers: ['open sesame'], keep: false });
        }
    })();
    const checked = await client.hosts.check({ hostId: unanswered.hostId });
    expect(checked.host.reachability.state).toBe('reachable');
    watching.abort();
    await answering.catch(() => {});
    expect(await client.hosts.resolve({ alias: 'db1' })).toMatchObject({ inFleetAs: 'db1' });
    await expect(client.hosts.add({ ...host, name: 'twin' })).rejects.toMatchObject({
      data: { kind: 'duplicateHost' },
    });
    // Nothing of what was answered is on disk.
    expect(readFileSync(join(stateDir, 'fleet.db')).includes('open sesame')).toBe(false);
  });

  it('say so when the configuration cannot be read', async () => {
    write('Host bad\n Port many\n');
    const host = {
      name: 'bad',
      address: '127.0.1.13',
      port: 22,
      user: 'ops',
      auth: { kind: 'default' },
      alias: 'bad',
    } as const;
    const before = await engine.client.hosts.add(host);
    expect(before.reachability.state).not.toBe('authFailed');
    write('Host bad\n ConnectTimeout soon\n');
    const { host: view, items } = await engine.client.hosts.check({ hostId: before.hostId });
    expect(view.reachability).toMatchObject({ failure: { kind: 'badConfiguration' } });
    expect(items.find(({ verdict }) => verdict === 'fail')?.found).toContain('"soon" is no time');
  });
});
