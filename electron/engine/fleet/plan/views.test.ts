import { describe, expect, it } from 'vitest';
import type { Failure } from '../../../contract/model.ts';
import { FailureError } from '../../operations/failure.ts';
import { clusterViewSchema } from '../../../contract/model.ts';
import { NOW, nodeIdOf, situationExample } from './situation-example.ts';
import { clusterView, hostView } from './views.ts';

const minority = { sample: { quorumConnected: false, role: 'leader', believedLeader: 3, leaderBallot: 3075 } } as const;

describe('cluster view', () => {
  it('is a view of the contract, with the majority’s leader', () => {
    const view = clusterViewSchema.parse(clusterView(situationExample({ voters: 3, leader: 2 })));
    expect(view.leader).toEqual({
      memberSlot: 2,
      nodeId: nodeIdOf(2),
      ballot: 7170,
      believedBy: 3,
      asked: 3,
      sinceUnixMs: NOW - 500,
    });
    expect(view.quorum).toEqual({ voters: 3, size: 2, working: 3, tolerates: 1 });
    expect(view.writesPerSecond).toBe(300);
    expect([view.fsyncP99Ms, view.fsyncP99NodeId]).toEqual([5, nodeIdOf(3)]);
    expect(view.nodes.map((node) => node.condition)).toEqual(['follower', 'leader', 'follower']);
  });

  it('marks a cut-off node that still claims to lead as minority', () => {
    const view = clusterView(situationExample({ voters: 3, change: { 3: minority } }));
    expect(view.nodes[2]?.condition).toBe('minority');
    expect(view.leader).toMatchObject({ memberSlot: 1, believedBy: 2, asked: 3 });
  });

  it('shows nothing of a stale node as current', () => {
    const view = clusterView(situationExample({ voters: 3, change: { 2: { ageMs: 3001 } } }));
    expect(view.nodes[1]).toMatchObject({
      condition: 'unknown',
      service: null,
      sample: null,
      behindSlots: null,
      writesPerSecond: null,
      observedAtUnixMs: NOW - 3001,
    });
    expect(view.writesPerSecond).toBe(200);
  });

  it('believes nobody when claims are split, and knows no margin when most are silent', () => {
    const other = { sample: { believedLeader: 2, leaderBallot: 8194 } };
    expect(clusterView(situationExample({ voters: 2, change: { 2: other } })).leader).toBeNull();
    const silent = clusterView(situationExample({ voters: 3, change: { 2: { ageMs: 9000 }, 3: { never: true } } }));
    expect(silent.quorum.tolerates).toBeNull();
  });

  it('compares a follower by what it told the leader, not by samples of two moments', () => {
    const late = { sample: { decidedUpTo: 900 } };
    expect(clusterView(situationExample({ voters: 3, change: { 2: late } })).nodes[1]?.behindSlots).toBe(0);
    const cut = { sample: { decidedUpTo: 900, quorumConnected: false } };
    const peers = [{ memberSlot: 2, connected: false, roundTripMs: null, heardMsAgo: 4000, decidedUpTo: 880 }];
    const view = clusterView(situationExample({ voters: 3, change: { 1: { sample: { peers } }, 2: cut } }));
    expect(view.nodes[1]?.behindSlots).toBe(100);
  });
});

describe('host view', () => {
  it('drops a sample that is too old, and calls a silent host unknown since it was heard last', () => {
    const host = {
      hostId: 'h-00000001',
      name: 'alpha',
      address: '10.0.0.1',
      port: 22,
      user: 'ops',
      origin: 'operator',
    } as const;
    const sample = {
      uptimeSeconds: 1,
      cpuRatio: 0.5,
      cpuCount: 2,
      load1: 1,
      memoryTotalBytes: 1,
      memoryAvailableBytes: 1,
      pressure: { cpu: null, memory: null, io: null },
      networkReceiveBytesPerSecond: null,
      networkSendBytesPerSecond: null,
      disks: [],
    };
    const at = (ageMs: number, silence: Failure | null = null) =>
      hostView({
        silence,
        nowUnixMs: NOW,
        host: { ...host, auth: { kind: 'default' }, alias: null, via: null, transport: 'builtin', facts: null },
        reachability: { state: 'reachable', sinceUnixMs: 0, offeredKey: null, failure: null },
        observation: { sample, observedAtUnixMs: NOW - ageMs },
        clockOffsetMs: 2,
        nodeIds: [],
      });
    expect(at(1000).sample).toEqual(sample);
    expect(at(4000)).toMatchObject({ sample: null, sampledAtUnixMs: null, reachability: { state: 'reachable' } });
    const silence = new FailureError({ kind: 'silent', message: 'nothing was heard', nextStep: 'Wait.' }).failure;
    expect(at(9000, silence).reachability).toEqual({
      state: 'unknown',
      sinceUnixMs: NOW - 9000,
      offeredKey: null,
      failure: silence,
    });
  });
});
