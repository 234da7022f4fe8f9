/**
 * What the world around does to an apply on hosts with systemd: each is told with its host, its cause and what to do, nothing on the hosts is
 * damaged, and once it is over the same apply succeeds. Elsewhere: sudo without a password is refused (`system-place.test.ts`), and two
 * consoles are kept apart (`../engine/operation-lock.test.ts`).
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import {
  buildResources,
  type EngineUnderTest,
  ended,
  makeStateDir,
  startEngine,
  succeeded,
} from '../engine/engine-under-test.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';

const obstacle = labObstacle();
const ports = { peerPort: 2380, clientPort: 2379 };
/** Ours and others' things, with sizes; not what a running system writes by itself. */
const CAPTURE = `find /etc /opt /srv /usr -xdev ! -path '/etc/ssh/*' ! -path '/etc/*-' ! -path '/etc/.pwd.lock' -printf '%p %y %m %u:%g %s\\n' | sort`;

describe.skipIf(obstacle !== null)(`faults of the environment (skipped: ${obstacle})`, { timeout: 240_000 }, () => {
  const stateDir = makeStateDir();
  let lab: Lab;
  let resources: EngineResources;
  let under: EngineUnderTest;
  let hostIds: string[];
  let before: string[];

  beforeAll(async () => {
    lab = await startLab({
      hosts: [{}, { movableClock: true }, { machineId: 'a'.repeat(32) }, { machineId: 'a'.repeat(32) }],
    });
    resources = await buildResources(join(stateDir, 'dist'));
  }, 15 * 60_000);
  afterAll(async () => {
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    under = await startEngine(stateDir, resources);
    const known = (await under.client.fleet.get()).hosts.map((host) => host.hostId);
    hostIds = known.length > 0 ? known : await addHosts();
    before = await captures();
  });
  afterEach(() => under.engine.close());

  const addHosts = async () => {
    const ids: string[] = [];
    for (const [at, { address, sshPort: port, keyPath }] of lab.hosts.entries()) {
      const auth = { kind: 'key' as const, path: keyPath };
      const host = { name: `db${at + 1}`, address, port, user: 'root', auth };
      const { hostId, reachability } = await under.client.hosts.add(host);
      await under.client.hosts.trustKey({ hostId, fingerprint: reachability.offeredKey?.fingerprint ?? '' });
      ids.push(hostId);
    }
    return ids;
  };
  const captures = () => Promise.all(lab.hosts.map((host) => host.root(CAPTURE, { timeoutMs: 60_000 })));
  const request = (numbers: readonly number[]) => ({
    name: 'orders',
    hostIds: numbers.map((number) => hostIds[number - 1] ?? ''),
    place: 'system' as const,
    dataFolders: {},
    ...ports,
  });
  const plan = (...numbers: number[]) => under.client.clusters.plan(request(numbers));
  /** Refused with nothing changed anywhere; returns why. */
  const refused = async (...numbers: number[]) => {
    const { refusals, hash } = await plan(...numbers);
    expect(hash).toBeNull();
    expect(await captures()).toEqual(before);
    return refusals.join(' ');
  };
  const begin = async () => under.client.clusters.create(request([1, 2, 3]));
  const destroy = async (clusterId: string) => {
    const action = { kind: 'clusterDestroy', clusterId, confirmName: 'orders' } as const;
    await succeeded(under.client, (await under.client.actions.run(action)).operationId);
    expect(await captures()).toEqual(before);
  };
  /** Resolves once a step of the operation is under way with something done of it. */
  const underWay = async (operationId: string, host: string, step: string) => {
    for await (const { steps } of await under.client.operations.watch({ operationId }))
      if (steps.some((one) => one.host === host && one.step === step && (one.progressRatio ?? 0) > 0)) return;
  };

  it('a host key that changed', async () => {
    const host = lab.host(2);
    await host.root('cp -a /etc/ssh /root/ssh-before; rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh');
    // A connection that stands goes on; a new one is refused.
    await under.engine.close();
    under = await startEngine(stateDir, resources);
    expect(await refused(1, 2, 3)).toMatch(/db2.*key.*(changed|not the)/i);
    await host.root('cp -a /root/ssh-before/. /etc/ssh/; rm -r /root/ssh-before; systemctl restart ssh');
  });

  it('a port that is taken', async () => {
    const host = lab.host(3);
    await host.root('systemd-run --unit squatter --socket-property=ListenStream=2380 true');
    expect(await refused(1, 2, 3)).toMatch(/db3.*port 2380.*give other ports/);
    await host.root('systemctl stop squatter.socket');
  });

  it('an architecture that there is no runtime for (told by a stand-in of uname)', async () => {
    const host = lab.host(1);
    await host.root(
      `mv /usr/bin/uname /usr/bin/uname.true
       printf '#!/bin/sh\\n/usr/bin/uname.true "$@" | sed s/x86_64/riscv64/\\n' > /usr/bin/uname; chmod 755 /usr/bin/uname`,
    );
    before = await captures();
    expect(await refused(1, 2, 3)).toMatch(/db1.*riscv64/);
    await host.root('mv /usr/bin/uname.true /usr/bin/uname');
  });

  it('a foreign file where ours should go', async () => {
    const host = lab.host(1);
    await host.root('mkdir -p /opt/synod; echo mine > /opt/synod/notes.txt');
    before = await captures();
    expect(await refused(1, 2, 3)).toMatch(/db1.*\/opt\/synod\/notes\.txt.*Nothing was changed/);
    expect(await host.root('cat /opt/synod/notes.txt')).toBe('mine\n');
    await host.root('rm -r /opt/synod');
  });

  it('a clock that is ten minutes off, and one machine id on two hosts: both are warned of', async () => {
    await lab.host(2).moveClock(600);
    await under.engine.close();
    under = await startEngine(stateDir, resources);
    const { warnings } = await plan(2, 3, 4);
    expect(warnings.join(' ')).toMatch(/clock of db2 is off by \d{3} s/);
    expect(warnings.join(' ')).toMatch(/db3 and db4 have the same machine id/);
    await lab.host(2).moveClock(0);
    expect(await captures()).toEqual(before);
  });

  it('a disk that is full in the middle of an upload', async () => {
    const host = lab.host(2);
    const { operationId, clusterId } = await begin();
    await underWay(operationId, 'db2', 'Runtime');
    // The upload goes on meanwhile: what was free a moment ago need not be.
    await host.root(
      'until fallocate -l $(($(df --output=avail -B1 /opt | tail -1) - 20971520)) /opt/filler; do :; done',
    );
    const { failure } = await ended(under.client, operationId);
    expect(failure).toMatchObject({
      kind: 'diskFull',
      host: expect.stringMatching(/^db2/),
      nextStep: expect.stringMatching(/space/),
    });
    await host.root('rm /opt/filler');
    expect(await host.root('find /opt/synod -name node -type f')).toBe('');
    await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    await destroy(clusterId);
  });

  it('a connection that is dropped in the middle of a step', async () => {
    const { operationId, clusterId } = await begin();
    await underWay(operationId, 'db3', 'Runtime');
    await lab.host(3).root(`pkill -KILL -f '[s]shd.*root@' || true`);
    const { state, failure } = await ended(under.client, operationId);
    // It goes on over a new connection, or says where it stopped.
    expect(failure?.host ?? 'db3').toMatch(/^db3/);
    if (state !== 'succeeded')
      await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    await destroy(clusterId);
  });
});
