import { describe, expect, it } from 'vitest';
import { type GoneInput, goneFromHost, residueIn } from './gone.ts';
import { planHost, targetOfStep } from './host-plan.ts';
import { desired, HostUnderTest, nodeId, placeOf } from './host-under-test.ts';
import { canonicalPlan, plannedOnHost, whatChanged } from './plan-record.ts';
import { undoOf } from './undo.ts';

const places = ['home', 'system'] as const;
const dataFolders = [null, '/srv/data'];

function gone(place: (typeof places)[number], host: HostUnderTest | null, change: Partial<GoneInput> = {}): GoneInput {
  return {
    place: placeOf(place),
    nodeId,
    clusterId: 'c-aaaaaaaa',
    dataFolder: null,
    keepVersions: [],
    kept: new Set(),
    observed: host,
    ...change,
  };
}

describe.each(places)('a plan in the %s place', (place) => {
  it.each(dataFolders)(
    'brings an empty host to what is wanted, and then to nothing to do (data in %s)',
    (dataFolder) => {
      const host = new HostUnderTest();
      const wanted = desired(place, { dataFolder });
      const steps = planHost(wanted, host);
      expect(steps.map((step) => step.resource)).toEqual(wanted);
      host.carryOut(steps);
      expect(planHost(wanted, host)).toEqual([]);
    },
  );

  it('goes on from wherever the last run was cut short', () => {
    const wanted = desired(place);
    const all = planHost(wanted, new HostUnderTest());
    for (let done = 0; done <= all.length; done++) {
      const host = new HostUnderTest();
      host.carryOut(all.slice(0, done));
      host.carryOut(planHost(wanted, host));
      expect(planHost(wanted, host)).toEqual([]);
    }
  });

  it.each(dataFolders)('takes all of it off again, from wherever that was cut short (data in %s)', (dataFolder) => {
    const full = new HostUnderTest();
    full.carryOut(planHost(desired(place, { dataFolder }), full));
    const removal = (host: HostUnderTest) => planHost(goneFromHost(gone(place, host, { dataFolder })), host);
    const all = removal(full);
    for (let done = 0; done <= all.length; done++) {
      const host = new HostUnderTest();
      host.carryOut(planHost(desired(place, { dataFolder }), host));
      host.carryOut(all.slice(0, done));
      host.carryOut(removal(host));
      expect([...host.entries.keys()].filter((path) => path.includes('synod'))).toEqual([]);
      expect(host.users.size + host.services.size).toBe(0);
      expect(residueIn(gone(place, host, { dataFolder }), host)).toEqual([]);
      expect(removal(host)).toEqual([]);
    }
  });

  it('leaves what other nodes of the host use, and what was there before', () => {
    const host = new HostUnderTest();
    host.carryOut(planHost(desired(place), host));
    const other = {
      memberSlot: 1,
      nodeId: 'n-bbbbbbbb',
      name: 'node-1',
      address: '192.0.2.1',
      peerPort: 3380,
      clientPort: 3379,
    };
    host.carryOut(planHost(desired(place, { member: other, members: [other] }), host));
    host.carryOut(planHost(goneFromHost(gone(place, host)), host));
    expect(planHost(desired(place, { member: other, members: [other] }), host)).toEqual([]);
    expect(residueIn(gone(place, host), host)).toEqual([]);
  });

  it('restarts a node whose configuration changes, and says so of one that was started before it did', () => {
    const host = new HostUnderTest();
    host.carryOut(planHost(desired(place), host));
    const wanted = desired(place, { cluster: { ...clusterOf(), electionTimeoutMs: 500 } });
    const steps = planHost(wanted, host);
    expect(steps.map(({ resource, change }) => [resource.kind, change])).toEqual([
      ['file', 'update'],
      ['service', 'restart'],
    ]);
    expect(steps[0]?.diff).toContain('-   "electionTimeoutMs": 300');
    expect(steps[0]?.diff).toContain('+   "electionTimeoutMs": 500');
    // Cut short between the two.
    host.now += 60;
    host.carryOut(steps.slice(0, 1));
    const rest = planHost(wanted, host);
    expect(rest).toMatchObject([{ change: 'restart', why: expect.stringContaining('started before') }]);
    host.carryOut(rest);
    expect(planHost(wanted, host)).toEqual([]);
  });

  it('shows keys as digests only', () => {
    const host = new HostUnderTest();
    const shown = () => JSON.stringify(plannedOnHost({ hostId: 'h-aaaaaaaa', name: 'db1' }, of(host)));
    const of = (seen: HostUnderTest) => {
      const wanted = desired(place);
      return { desired: wanted, observed: seen, steps: planHost(wanted, seen) };
    };
    expect(shown()).toContain('peer.key');
    expect(shown()).not.toContain('peer key\\n');
    expect(shown()).toContain('electionTimeoutMs');
  });
});

function clusterOf() {
  return {
    clusterId: 'c-aaaaaaaa',
    name: 'orders',
    runtimeVersion: 'node-24',
    releaseVersion: '0.1.0',
    heartbeatMs: 50,
    electionTimeoutMs: 300,
  };
}

it('goes back by files and links only, and to what they were', () => {
  const host = new HostUnderTest();
  host.carryOut(planHost(desired('system'), host));
  const before = desired('system');
  const cluster = { ...clusterOf(), releaseVersion: '0.2.0', electionTimeoutMs: 500 };
  const keys = { authority: 'other', peer: { certificate: 'p', key: 'p' }, client: { certificate: 'c', key: 'c' } };
  const wanted = desired('system', { cluster, keys });
  const steps = planHost(wanted, host);
  const undo = undoOf(steps, host);
  expect(undo.map(targetOfStep)).toEqual([
    `/opt/synod/nodes/${nodeId}/release`,
    `/etc/synod/nodes/${nodeId}/config.json`,
  ]);
  host.carryOut(steps);
  host.carryOut(undo);
  const left = planHost(before, host).filter(({ resource }) => resource.kind !== 'service');
  expect(left.every(({ resource }) => resource.kind === 'file' && resource.secret)).toBe(true);
});

describe('the hash of a plan', () => {
  const planned = (host: HostUnderTest) => {
    const wanted = desired('system');
    return plannedOnHost(
      { hostId: 'h-aaaaaaaa', name: 'db1' },
      { desired: wanted, observed: host, steps: planHost(wanted, host) },
    );
  };
  const text = (host: HostUnderTest) => canonicalPlan({ name: 'orders', draft: null, hosts: [planned(host)] });

  it('is the same for the same, at another time and with other figures beside', () => {
    const [host, later] = [new HostUnderTest(), new HostUnderTest()];
    host.carryOut(planHost(desired('system'), host).slice(0, 5));
    later.now = 5000;
    later.carryOut(planHost(desired('system'), later).slice(0, 5));
    later.entry('/opt/synod/nodes/n-bbbbbbbb', 'folder');
    expect(text(later)).toBe(text(host));
  });

  it('is another when anything changed that the plan is about, which is named', () => {
    const [before, after] = [new HostUnderTest(), new HostUnderTest()];
    after.entry('/etc/synod', 'folder');
    expect(text(after)).not.toBe(text(before));
    expect(whatChanged([planned(before)], [planned(after)])).toBe('db1: /etc/synod was absent, is folder ops:ops 644');
  });
});

it('names what a step is about', () => {
  const steps = planHost(desired('system'), new HostUnderTest());
  expect(targetOfStep(steps[0] ?? fail())).toBe('user synod');
});

function fail(): never {
  throw new Error('there are steps');
}
