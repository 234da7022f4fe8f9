import { describe, expect, it } from 'vitest';
import { digestOf } from '../contract/digest.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { PaxosCore } from './core.ts';
import type { CoreOptions, Effect, Input, RecoveredState } from './interface.ts';

const OPTIONS: CoreOptions = {
  self: 1,
  members: [1, 2, 3],
  heartbeatMs: 50,
  electionTimeoutMs: 500,
  seed: 7,
  maxUndecidedSlots: 100,
  maxBatchBytes: 1024,
};

/** A few cores with an instant network and an instant disk: enough for what one step leads to. */
class InstantCluster {
  nowMs = 0;
  readonly effects: { member: number; effect: Effect }[] = [];
  readonly cores = new Map<number, PaxosCore>();
  /** Links that lose everything, as "from-to". */
  readonly cut = new Set<string>();
  #queue: { member: number; input: Input }[] = [];

  constructor(members: readonly number[]) {
    for (const self of members) this.cores.set(self, new PaxosCore({ ...OPTIONS, self, members }, null));
  }

  core(member: number): PaxosCore {
    return this.cores.get(member) as PaxosCore;
  }

  give(member: number, input: Input): void {
    this.#queue.push({ member, input });
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
  }

  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 10)
      for (const member of this.cores.keys()) this.give(member, { kind: 'tick' });
  }

  cutBoth(a: number, b: number): void {
    this.cut.add(`${a}-${b}`);
    this.cut.add(`${b}-${a}`);
  }

  leaders(): number[] {
    return [...this.cores].filter(([, core]) => core.status(this.nowMs).role === 'leader').map(([member]) => member);
  }

  delivered(member: number): string[] {
    const texts: string[] = [];
    for (const { member: at, effect } of this.effects)
      if (at === member && effect.kind === 'deliver' && effect.entry.value.length > 0)
        texts.push(Buffer.from(effect.entry.value).toString());
    return texts;
  }

  propose(member: number, text: string, sequence: number): void {
    const request = { origin: member, boot: 1, sequence };
    this.give(member, { kind: 'propose', request, value: Buffer.from(text) });
  }

  #step({ member, input }: { member: number; input: Input }): void {
    for (const effect of this.core(member).step(input, this.nowMs)) {
      this.effects.push({ member, effect });
      if (effect.kind === 'persist') this.#queue.push({ member, input: { kind: 'durable', upTo: effect.sequence } });
      if (effect.kind === 'deliver') this.#queue.push({ member, input: { kind: 'applied', upTo: effect.entry.slot } });
      if (effect.kind === 'send' && !this.cut.has(`${member}-${effect.to}`))
        this.#queue.push({ member: effect.to, input: { kind: 'message', from: member, message: effect.message } });
    }
  }
}

function sends(effects: Effect[]): { to: number; message: PeerMessage; afterDurable: number }[] {
  return effects.filter((effect) => effect.kind === 'send');
}

const ENTRY = { slot: 1, ballot: 1026, value: Buffer.from('x'), digest: digestOf(Buffer.from('x')) };

describe('the core in a cluster', () => {
  it('elects one leader, decides what any member takes in, and delivers it in one order everywhere', () => {
    const cluster = new InstantCluster([1, 2, 3]);
    cluster.run(500);
    expect(cluster.leaders()).toHaveLength(1);
    for (let i = 1; i <= 30; i++) cluster.propose((i % 3) + 1, `v${i}`, i);
    expect(cluster.delivered(1)).toHaveLength(30);
    expect(cluster.delivered(2)).toEqual(cluster.delivered(1));
    expect(cluster.delivered(3)).toEqual(cluster.delivered(1));
  });

  it.each([1, 5, 7])('works with %i members', (count) => {
    const cluster = new InstantCluster(Array.from({ length: count }, (_, at) => at + 1));
    cluster.run(500);
    cluster.propose(1, 'v', 1);
    cluster.give(1, { kind: 'read', request: { origin: 1, boot: 1, sequence: 2 } });
    for (const member of cluster.cores.keys()) expect(cluster.delivered(member)).toEqual(['v']);
    expect(cluster.effects.map(({ effect }) => effect)).toContainEqual(
      expect.objectContaining({ kind: 'readReady', readSlot: 1 }),
    );
  });

  it('hands leadership to the target at once', () => {
    const cluster = new InstantCluster([1, 2, 3]);
    cluster.run(500);
    const [leader] = cluster.leaders();
    const target = ((leader as number) % 3) + 1;
    cluster.give(leader as number, { kind: 'transfer', target });
    expect(cluster.leaders()).toEqual([target]);
    cluster.propose(leader as number, 'after', 1);
    expect(cluster.delivered(target)).toEqual(['after']);
  });
});

describe('partial partitions (Ng et al., OmniPaxos, section 2)', () => {
  const FOUR_TIMEOUTS_MS = 4 * OPTIONS.electionTimeoutMs;

  function ledBy(members: readonly number[]): { cluster: InstantCluster; leader: number; others: number[] } {
    const cluster = new InstantCluster(members);
    cluster.run(1000);
    const leader = cluster.leaders()[0] as number;
    return { cluster, leader, others: members.filter((member) => member !== leader) };
  }

  it('quorum-loss: every member reaches only one hub, which then leads', () => {
    const { cluster, others } = ledBy([1, 2, 3, 4, 5]);
    const hub = others[0] as number;
    for (let a = 1; a <= 5; a++) for (let b = 1; b < a; b++) if (a !== hub && b !== hub) cluster.cutBoth(a, b);
    cluster.run(FOUR_TIMEOUTS_MS);
    expect(cluster.leaders()).toEqual([hub]);
    cluster.propose(hub, 'v', 1);
    expect(cluster.delivered(hub)).toEqual(['v']);
  });

  it('constrained election: the only quorum-connected member lacks the newest entries and still leads', () => {
    const { cluster, leader, others } = ledBy([1, 2, 3, 4, 5]);
    const hub = others[0] as number;
    cluster.cutBoth(leader, hub);
    cluster.propose(leader, 'newest', 1);
    expect(cluster.delivered(hub)).toEqual([]);
    for (let a = 1; a <= 5; a++) for (let b = 1; b < a; b++) if (a !== hub && b !== hub) cluster.cutBoth(a, b);
    cluster.run(FOUR_TIMEOUTS_MS);
    expect(cluster.leaders()).toEqual([hub]);
    expect(cluster.delivered(hub)).toEqual(['newest']);
  });

  it('chained: a member that lost only its link to the leader neither deposes it nor is left out', () => {
    const { cluster, leader, others } = ledBy([1, 2, 3]);
    const ballot = cluster.core(leader).status(cluster.nowMs).leaderBallot;
    cluster.cutBoth(leader, others[0] as number);
    cluster.run(FOUR_TIMEOUTS_MS);
    expect(cluster.leaders()).toEqual([leader]);
    expect(cluster.core(leader).status(cluster.nowMs).leaderBallot).toBe(ballot);
    cluster.propose(others[0] as number, 'relayed', 1);
    cluster.run(200);
    for (const member of [1, 2, 3]) expect(cluster.delivered(member)).toEqual(['relayed']);
  });
});

describe('an acceptor, by the sentences of Paxos Made Simple', () => {
  it('"responds to the request with a promise not to accept any more proposals numbered less than n"', () => {
    const core = new PaxosCore(OPTIONS, null);
    core.step({ kind: 'message', from: 3, message: { kind: 'prepare', ballot: 2051, fromSlot: 1 } }, 0);
    const effects = core.step(
      { kind: 'message', from: 2, message: { kind: 'accept', ballot: 1026, entries: [ENTRY], decidedUpTo: 0 } },
      1,
    );
    expect(effects.filter((effect) => effect.kind === 'persist')).toEqual([]);
    expect(sends(effects).map(({ message }) => message)).toContainEqual({ kind: 'nack', ballot: 1026, promised: 2051 });
  });

  it('"and with the highest-numbered proposal (if any) that it has accepted"', () => {
    const core = new PaxosCore(OPTIONS, null);
    core.step(
      { kind: 'message', from: 2, message: { kind: 'accept', ballot: 1026, entries: [ENTRY], decidedUpTo: 0 } },
      0,
    );
    const effects = core.step({ kind: 'message', from: 3, message: { kind: 'prepare', ballot: 2051, fromSlot: 1 } }, 1);
    const promise = sends(effects).find(({ message }) => message.kind === 'promise');
    expect(promise?.message).toMatchObject({ ballot: 2051, last: true, entries: [ENTRY] });
    expect(promise?.afterDurable).toBeGreaterThan(0);
  });

  it('"must remember the highest-numbered proposal that it has ever accepted and [...] the highest-numbered prepare request", even if it fails and restarts', () => {
    const core = new PaxosCore(OPTIONS, { promised: 2051, decidedUpTo: 0, accepted: [ENTRY] });
    const lower = core.step({ kind: 'message', from: 2, message: { kind: 'prepare', ballot: 1026, fromSlot: 1 } }, 0);
    expect(sends(lower).map(({ message }) => message.kind)).toContain('nack');
    const higher = core.step({ kind: 'message', from: 2, message: { kind: 'prepare', ballot: 3074, fromSlot: 1 } }, 1);
    expect(sends(higher).map(({ message }) => message)).toContainEqual(
      expect.objectContaining({ kind: 'promise', ballot: 3074, entries: [ENTRY] }),
    );
  });

  it('counts decided slots as accepted only for the leader whose ballot it has promised', () => {
    const core = new PaxosCore(OPTIONS, null);
    const accept: PeerMessage = { kind: 'accept', ballot: 1026, entries: [ENTRY], decidedUpTo: 0 };
    const followed = core.step({ kind: 'message', from: 2, message: accept }, 0);
    expect(sends(followed).map(({ message }) => message.kind)).toContain('accepted');
    core.step({ kind: 'message', from: 3, message: { kind: 'prepare', ballot: 2051, fromSlot: 1 } }, 1);
    // Under the higher ballot other values were chosen, which the leader of 1026 must not take for its own.
    const entries = [1, 2].map((slot) => ({ ...ENTRY, slot, ballot: 2051 }));
    const caughtUp: PeerMessage = { kind: 'catchUpEntries', fromSlot: 1, entries, decidedUpTo: 2 };
    const effects = core.step({ kind: 'message', from: 3, message: caughtUp }, 2);
    expect(core.status(2).decidedUpTo).toBe(2);
    expect(sends(effects).filter(({ message }) => message.kind === 'accepted')).toEqual([]);
  });

  it('says "accepted" only after the record is durable, and drops a value that does not match its digest', () => {
    const core = new PaxosCore(OPTIONS, null);
    const broken = { ...ENTRY, slot: 2, digest: 1 };
    const effects = core.step(
      { kind: 'message', from: 2, message: { kind: 'accept', ballot: 1026, entries: [ENTRY, broken], decidedUpTo: 0 } },
      0,
    );
    const accepted = sends(effects).find(({ message }) => message.kind === 'accepted');
    expect(accepted?.message).toMatchObject({ durableUpTo: 1 });
    const record = effects.find((effect) => effect.kind === 'persist' && effect.record.kind === 'accepted');
    expect(accepted?.afterDurable).toBeGreaterThanOrEqual(record?.kind === 'persist' ? record.sequence : Infinity);
    expect(effects).toContainEqual({ kind: 'event', event: { kind: 'digestMismatch', from: 2, slot: 2 } });
  });
});

describe('a proposer, by the sentences of Paxos Made Simple', () => {
  /** A core that has just sent prepares under the returned ballot, with its own promise durable. */
  function candidate(recovered: RecoveredState | null = null): { core: PaxosCore; ballot: number } {
    const core = new PaxosCore(OPTIONS, recovered);
    core.step({ kind: 'tick' }, 0);
    hear(core, 1);
    for (let nowMs = 2; nowMs < 500; nowMs += 10) {
      const started = core.step({ kind: 'tick' }, nowMs).find((effect) => effect.kind === 'persist');
      if (started === undefined || started.record.kind !== 'promised') continue;
      core.step({ kind: 'durable', upTo: started.sequence }, nowMs);
      return { core, ballot: started.record.ballot };
    }
    throw new Error('it never stood for election');
  }

  /** Both peers are there and know of no leader. */
  function hear(core: PaxosCore, nowMs: number): void {
    const view = { believedLeader: 0, leaderBallot: 0, quorumConnected: true, decidedUpTo: 0, appliedUpTo: 0 };
    for (const from of [2, 3]) {
      core.step({ kind: 'message', from, message: { kind: 'heartbeat', sequence: 1, promised: 0, ...view } }, nowMs);
      const reply = { kind: 'heartbeatReply', sequence: 1, promised: 0, decidedUpTo: 0 } as const;
      core.step({ kind: 'message', from, message: reply }, nowMs);
    }
  }

  function promise(ballot: number, entries: readonly (typeof ENTRY)[]): PeerMessage {
    return { kind: 'promise', ballot, fromSlot: 1, page: 0, last: true, entries, decidedUpTo: 0 };
  }

  it('proposes "the value of the highest-numbered proposal among the responses", and no-ops into gaps', () => {
    const { core, ballot } = candidate();
    core.step(
      {
        kind: 'message',
        from: 2,
        message: {
          kind: 'promise',
          ballot,
          fromSlot: 1,
          page: 0,
          last: false,
          entries: [{ ...ENTRY, ballot: 3 }],
          decidedUpTo: 0,
        },
      },
      500,
    );
    const higher = { slot: 1, ballot: 5, value: Buffer.from('higher'), digest: digestOf(Buffer.from('higher')) };
    const effects = core.step(
      { kind: 'message', from: 3, message: promise(ballot, [higher, { ...ENTRY, slot: 3 }]) },
      500,
    );
    const accept = sends(effects).find(({ message }) => message.kind === 'accept' && message.entries.length > 0);
    const values =
      accept?.message.kind === 'accept' ? accept.message.entries.map(({ value }) => Buffer.from(value).toString()) : [];
    expect(values).toEqual(['higher', '', 'x']);
  });

  it('counts itself among the responses: its own value binds when its ballot is the higher one, and only then', () => {
    const value = Buffer.from('own');
    const own = { slot: 1, ballot: 2051, value, digest: digestOf(value) };
    for (const [reportedBallot, wins] of [
      [1026, 'own'],
      [3074, 'x'],
    ] as const) {
      const { core, ballot } = candidate({ promised: 3074, decidedUpTo: 0, accepted: [own] });
      const reported = { ...ENTRY, ballot: reportedBallot };
      const effects = core.step({ kind: 'message', from: 2, message: promise(ballot, [reported]) }, 500);
      const accept = sends(effects).find(({ message }) => message.kind === 'accept' && message.entries.length > 0);
      const entries = accept?.message.kind === 'accept' ? accept.message.entries : [];
      expect(entries.map(({ value: bytes }) => Buffer.from(bytes).toString())).toEqual([wins]);
    }
  });

  it('answers a read on replies to its own ballot only: another may come from before this life', () => {
    const { core, ballot } = candidate();
    core.step({ kind: 'message', from: 2, message: promise(ballot, []) }, 500);
    const read = core.step({ kind: 'read', request: { origin: 1, boot: 1, sequence: 1 } }, 501);
    const round = sends(read).find(({ message }) => message.kind === 'heartbeat')?.message;
    const sequence = round?.kind === 'heartbeat' ? round.sequence : 0;
    const reply = (promised: number): PeerMessage => ({ kind: 'heartbeatReply', sequence, promised, decidedUpTo: 0 });
    const ready = expect.objectContaining({ kind: 'readReady' });
    expect(core.step({ kind: 'message', from: 2, message: reply(ballot - 1024) }, 502)).not.toContainEqual(ready);
    expect(core.step({ kind: 'message', from: 2, message: reply(ballot) }, 503)).toContainEqual(ready);
  });

  it('does not count a promise of which a page is missing', () => {
    const { core, ballot } = candidate();
    const message: PeerMessage = {
      kind: 'promise',
      ballot,
      fromSlot: 5,
      page: 1,
      last: true,
      entries: [],
      decidedUpTo: 0,
    };
    core.step({ kind: 'message', from: 2, message }, 500);
    expect(core.status(500).role).toBe('candidate');
    core.step({ kind: 'message', from: 2, message: promise(ballot, []) }, 500);
    expect(core.status(500).role).toBe('leader');
  });

  it('gives way to a higher ballot and comes back above it', () => {
    const { core, ballot } = candidate();
    const promised = ballot + 5 * 1024 + 1;
    core.step({ kind: 'message', from: 2, message: { kind: 'nack', ballot, promised } }, 500);
    expect(core.status(500).role).toBe('follower');
    hear(core, 500);
    let next = 0;
    for (let nowMs = 500; nowMs < 900 && next === 0; nowMs += 10) {
      const started = core.step({ kind: 'tick' }, nowMs).find((effect) => effect.kind === 'persist');
      if (started?.record.kind === 'promised') next = started.record.ballot;
    }
    expect(next).toBeGreaterThan(promised);
  });
});

describe('client requests', () => {
  it('are given back as busy, not as leaderless, when the leader here had no room for them', () => {
    const core = new PaxosCore({ ...OPTIONS, members: [1], maxUndecidedSlots: 1 }, null);
    // Its disk never finishes, so nothing is decided and the second request finds no room.
    let nowMs = 0;
    for (; core.status(nowMs).role !== 'leader'; nowMs += 10)
      for (const effect of core.step({ kind: 'tick' }, nowMs))
        if (effect.kind === 'persist') core.step({ kind: 'durable', upTo: effect.sequence }, nowMs);
    core.step({ kind: 'propose', request: { origin: 1, boot: 1, sequence: 1 }, value: Buffer.from('first') }, nowMs);
    core.step({ kind: 'abandon', request: { origin: 1, boot: 1, sequence: 1 } }, nowMs);
    const request = { origin: 1, boot: 1, sequence: 2 };
    core.step({ kind: 'propose', request, value: Buffer.from('second') }, nowMs);
    const refusals: Effect[] = [];
    for (const endMs = nowMs + 5 * OPTIONS.electionTimeoutMs; nowMs < endMs; nowMs += 10)
      refusals.push(...core.step({ kind: 'tick' }, nowMs).filter((effect) => effect.kind === 'refuse'));
    expect(refusals).toEqual([{ kind: 'refuse', request, reason: 'busy' }]);
  });
});

describe('a change of leader', () => {
  it('is over within six heartbeats when the connections to a dead leader break', () => {
    const cluster = new InstantCluster([1, 2, 3]);
    cluster.run(1000);
    const dead = cluster.leaders()[0] as number;
    const survivors = [1, 2, 3].filter((member) => member !== dead);
    for (const member of survivors) cluster.cutBoth(member, dead);
    for (const member of survivors) cluster.give(member, { kind: 'link', member: dead, up: false });
    cluster.run(6 * OPTIONS.heartbeatMs);
    expect(cluster.leaders().filter((member) => member !== dead)).toHaveLength(1);
  });

  it('keeps what clients asked for meanwhile', () => {
    const cluster = new InstantCluster([1, 2, 3]);
    cluster.run(1000);
    const dead = cluster.leaders()[0] as number;
    const [origin, other] = [1, 2, 3].filter((member) => member !== dead) as [number, number];
    cluster.cutBoth(origin, dead);
    cluster.cutBoth(other, dead);
    cluster.propose(origin, 'asked while nobody led', 1);
    cluster.run(4 * OPTIONS.electionTimeoutMs);
    expect(cluster.delivered(other)).toEqual(['asked while nobody led']);
    expect(cluster.delivered(dead)).toEqual([]);
    cluster.cut.clear();
    cluster.run(500);
    expect(cluster.delivered(dead)).toEqual(['asked while nobody led']);
  });

  it('gives a transfer up after an election timeout when the target hears nothing of it', () => {
    const cluster = new InstantCluster([1, 2, 3]);
    cluster.run(1000);
    const leader = cluster.leaders()[0] as number;
    const target = (leader % 3) + 1;
    cluster.cut.add(`${leader}-${target}`);
    cluster.propose(leader, 'before', 1);
    cluster.give(leader, { kind: 'transfer', target });
    cluster.propose(leader, 'queued', 2);
    expect(cluster.delivered(leader)).toEqual(['before']);
    cluster.run(OPTIONS.electionTimeoutMs + 100);
    expect(cluster.leaders()).toEqual([leader]);
    expect(cluster.delivered(leader)).toEqual(['before', 'queued']);
    const failed = { kind: 'transferFailed', target, reason: 'the target did not take over in time' };
    expect(cluster.effects).toContainEqual({ member: leader, effect: { kind: 'event', event: failed } });
  });
});
