import { describe, expect, it } from 'vitest';
import type { HostView } from '../../../contract/model.ts';
import { type ClusterPlanInput, overlaps, type PlannedHost, planCluster } from './cluster-plan.ts';

const view = (number: number): HostView => ({
  hostId: `h-0000000${number}`,
  name: `alpha-${number}`,
  address: `192.0.2.${number}`,
  port: 22,
  user: 'ops',
  auth: { kind: 'default' },
  alias: null,
  via: null,
  transport: 'builtin',
  origin: 'operator',
  reachability: { state: 'reachable', sinceUnixMs: 0, offeredKey: null, failure: null },
  facts: {
    os: 'Debian GNU/Linux 12',
    kernel: 'Linux 6.1.0',
    architecture: 'x86_64',
    libc: 'glibc 2.36',
    hostname: `alpha-${number}`,
    user: 'ops',
    home: '/home/ops',
    machineId: `m${number}`,
    cpuCount: 4,
    memoryBytes: 2 ** 33,
    homeFreeBytes: 2 ** 34,
    serviceManager: 'systemd',
    privilege: 'sudo',
    gatheredAtUnixMs: 0,
  },
  sample: null,
  sampledAtUnixMs: null,
  clockOffsetMs: 3,
  nodeIds: [],
});

const host = (number: number, changed: Partial<PlannedHost> = {}): PlannedHost => ({
  view: view(number),
  place: { machineId: `m${number}`, bootId: `b${number}`, homeDevice: '1', homeInode: '7' },
  homeWritable: true,
  homeNoexec: false,
  peerPort: 2380,
  clientPort: 2379,
  listeners: [{ address: '127.0.0.1', port: 2380 }],
  memberPorts: [],
  ...changed,
});

const plan = (hosts: PlannedHost[], changed: Partial<ClusterPlanInput> = {}) =>
  planCluster({
    name: 'orders',
    hosts,
    takenNames: [],
    place: 'home',
    runtimeVersion: 'node-24',
    releaseVersion: '0.1.0',
    ...changed,
  });

const facts = (number: number, changed: Partial<NonNullable<HostView['facts']>>): Partial<PlannedHost> => {
  const whole = view(number);
  return { view: { ...whole, facts: whole.facts && { ...whole.facts, ...changed } } };
};

describe('the plan of a cluster', () => {
  it('names members, ports and everything that is put', () => {
    const planned = plan([host(1), host(2), host(3)]);
    expect(planned).toMatchObject({ refusals: [], warnings: [] });
    expect(planned.members.map((member) => member.nodeName)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(planned.puts).toContain('alpha-2: the Node node-24 runtime in ~/.synod/runtime/node-24/node');
  });

  it.each<[string, Partial<PlannedHost>, RegExp]>([
    ['another kernel', facts(2, { kernel: 'FreeBSD 14' }), /nodes run on Linux only/],
    ['musl', facts(2, { libc: 'musl' }), /needs glibc/],
    ['a full disk', facts(2, { homeFreeBytes: 100 * 2 ** 20 }), /100 MiB free in \/home\/ops; at least 512/],
    ['a home without rights', { homeWritable: false }, /ops cannot write to \/home\/ops/],
    ['a noexec home', { homeNoexec: true }, /noexec/],
    ['a listener', { listeners: [{ address: '0.0.0.0', port: 2379 }] }, /something listens on port 2379/],
    [
      'a node of another cluster',
      { memberPorts: [{ port: 2380, cluster: 'old' }] },
      /port 2380 belongs to the cluster old/,
    ],
    ['one port for both', { clientPort: 2380 }, /cannot share port 2380/],
    ['a privileged port', { peerPort: 80 }, /only root may listen on port 80/],
    ['a host that was never checked', { view: { ...view(2), facts: null } }, /check it first/],
  ])('refuses %s with the reason', (_what, changed, reason) => {
    expect(plan([host(1), host(2, changed), host(3)]).refusals).toEqual([expect.stringMatching(reason)]);
  });

  it('refuses one place under two names, a host named twice, and a taken name', () => {
    const twin = host(2, { place: host(1).place });
    expect(plan([host(1), twin, host(3)]).refusals).toEqual([expect.stringMatching(/same machine and the same login/)]);
    expect(plan([host(1), host(1)])).toMatchObject({
      refusals: [expect.stringMatching(/^\S+ is named twice; a host carries one node of a cluster\.$/)],
      warnings: [],
    });
    expect(plan([host(1)], { takenNames: ['orders'] }).refusals).toEqual([expect.stringMatching(/exists already/)]);
  });

  it('warns of copies of one image, of sizes that gain nothing, and of clocks', () => {
    const copy = host(2, { place: { machineId: 'm1', bootId: 'b2', homeDevice: '1', homeInode: '7' } });
    expect(plan([host(1), copy, host(3)])).toMatchObject({
      refusals: [],
      warnings: [expect.stringMatching(/copies of one image/)],
    });
    expect(plan([host(1), host(2)]).warnings[0]).toMatch(/tolerates no failure/);
    const late = host(4, { view: { ...view(4), clockOffsetMs: -120_000 } });
    const { warnings } = plan([host(1), host(2), host(3), late]);
    expect(warnings).toEqual([
      expect.stringMatching(/4 nodes tolerate no more/),
      expect.stringMatching(/off by -120 s/),
    ]);
  });

  it('lets a listener at another address be', () => {
    expect(overlaps('127.0.0.1', '192.0.2.1')).toBe(false);
    expect(overlaps('::', '192.0.2.1')).toBe(true);
    expect(overlaps('127.0.0.1', 'db1.example')).toBe(true);
  });
});
