import { describe, expect, it } from 'vitest';
import { firstConfiguration } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { exampleMember } from './under-test/member-example.ts';
import { PaxosCore } from './core.ts';
import type { CoreOptions, Effect, RecoveredState } from './interface.ts';

const OPTIONS: CoreOptions = {
  self: 1,
  configuration: firstConfiguration([1, 2, 3].map(exampleMember)),
  heartbeatMs: 50,
  electionTimeoutMs: 500,
  seed: 7,
  maxUndecidedSlots: 100,
  maxBatchBytes: 1024,
};

function sends(effects: Effect[]): { to: number; message: PeerMessage; afterDurable: number }[] {
  return effects.filter((effect) => effect.kind === 'send');
}

const HEALTHY = { syncMs: 0, loopLagMs: 0, isDiskFull: false };
const ENTRY = { slot: 1, ballot: 1026, value: Buffer.from('x'), digest: digestOf(Buffer.from('x')) };

describe('an acceptor, by the sentences of Paxos Made Simple', () => {
  it('"responds to the request with a promise not to accept any more proposals numbered less than n"', () => {
    const core = new PaxosCore(OPTIONS, null);
    core.step(
      {
        kind: 'message',
        from: 3,
        message: { kind: 'prepare', ballot: 2051, configId: 1, fromSlot: 1, leaseReleased: 0 },
      },
      0,
    );
    const effects = core.step(
      { kind: 'message', from: 2, message: { kind: 'accept', ballot: 1026, entries: [ENTRY], decidedUpTo: 0 } },
      1,
    );
    expect(effects.filter((effect) => effect.kind === 'persist')).toEqual([]);
    expect(sends(effects).map(({ message }) => message)).toContainEqual({
      kind: 'nack',
      ballot: 1026,
      promised: 2051,
      configId: 1,
    });
  });

  it('"and with the highest-numbered proposal (if any) that it has accepted"', () => {
    const core = new PaxosCore(OPTIONS, null);
    core.step(
      { kind: 'message', from: 2, message: { kind: 'accept', ballot: 1026, entries: [ENTRY], decidedUpTo: 0 } },
      0,
    );
    const effects = core.step(
      {
        kind: 'message',
        from: 3,
        message: { kind: 'prepare', ballot: 2051, configId: 1, fromSlot: 1, leaseReleased: 0 },
      },
      1,
    );
    const promise = sends(effects).find(({ message }) => message.kind === 'promise');
    expect(promise?.message).toMatchObject({ ballot: 2051, last: true, entries: [ENTRY] });
    expect(promise?.afterDurable).toBeGreaterThan(0);
  });

  it('"must remember the highest-numbered proposal that it has ever accepted and [...] the highest-numbered prepare request", even if it fails and restarts', () => {
    const core = new PaxosCore(OPTIONS, { promised: 2051, decidedUpTo: 0, accepted: [ENTRY], faulty: [] });
    const lower = core.step(
      {
        kind: 'message',
        from: 2,
        message: { kind: 'prepare', ballot: 1026, configId: 1, fromSlot: 1, leaseReleased: 0 },
      },
      0,
    );
    expect(sends(lower).map(({ message }) => message.kind)).toContain('nack');
    const higher = core.step(
      {
        kind: 'message',
        from: 2,
        message: { kind: 'prepare', ballot: 3074, configId: 1, fromSlot: 1, leaseReleased: 0 },
      },
      1,
    );
    expect(sends(higher).map(({ message }) => message)).toContainEqual(
      expect.objectContaining({ kind: 'promise', ballot: 3074, entries: [ENTRY] }),
    );
  });

  it('counts decided slots as accepted only for the leader whose ballot it has promised', () => {
    const core = new PaxosCore(OPTIONS, null);
    const accept: PeerMessage = { kind: 'accept', ballot: 1026, entries: [ENTRY], decidedUpTo: 0 };
    const followed = core.step({ kind: 'message', from: 2, message: accept }, 0);
    expect(sends(followed).map(({ message }) => message.kind)).toContain('accepted');
    core.step(
      {
        kind: 'message',
        from: 3,
        message: { kind: 'prepare', ballot: 2051, configId: 1, fromSlot: 1, leaseReleased: 0 },
      },
      1,
    );
    // Under the higher ballot other values were chosen, which the leader of 1026 must not take for its own.
    const entries = [1, 2].map((slot) => ({ ...ENTRY, slot, ballot: 2051 }));
    const caughtUp: PeerMessage = { kind: 'catchUpEntries', fromSlot: 1, entries, decidedUpTo: 2, snapshotSlot: 0 };
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
  function candidate(
    recovered: RecoveredState | null = null,
    configuration = OPTIONS.configuration,
  ): { core: PaxosCore; ballot: number } {
    const core = new PaxosCore({ ...OPTIONS, configuration }, recovered);
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
    const view = {
      believedLeader: 0,
      leaderBallot: 0,
      quorumConnected: true,
      configId: 1,
      decidedUpTo: 0,
      appliedUpTo: 0,
      health: HEALTHY,
    };
    for (const from of [2, 3]) {
      core.step({ kind: 'message', from, message: { kind: 'heartbeat', sequence: 1, promised: 0, ...view } }, nowMs);
      const reply = {
        kind: 'heartbeatReply',
        sequence: 1,
        promised: 0,
        decidedUpTo: 0,
        confirms: true,
        leaseGrantedMs: 0,
      } as const;
      core.step({ kind: 'message', from, message: reply }, nowMs);
    }
  }

  function promise(ballot: number, entries: readonly (typeof ENTRY)[]): PeerMessage {
    return { kind: 'promise', ballot, fromSlot: 1, page: 0, last: true, entries, faulty: [], decidedUpTo: 0 };
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
          faulty: [],
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
      const { core, ballot } = candidate({ promised: 3074, decidedUpTo: 0, accepted: [own], faulty: [] });
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
    const reply = (promised: number, confirms: boolean): PeerMessage => ({
      kind: 'heartbeatReply',
      sequence,
      promised,
      decidedUpTo: 0,
      confirms,
      leaseGrantedMs: 0,
    });
    const ready = expect.objectContaining({ kind: 'readReady' });
    expect(core.step({ kind: 'message', from: 2, message: reply(ballot - 1024, true) }, 502)).not.toContainEqual(ready);
    // An answer to a late heartbeat of an earlier life that had a like sequence: it may be older than the read.
    expect(core.step({ kind: 'message', from: 2, message: reply(ballot, false) }, 503)).not.toContainEqual(ready);
    expect(core.step({ kind: 'message', from: 2, message: reply(ballot, true) }, 504)).toContainEqual(ready);
  });

  it('does not take a late answer to an earlier ballot of its own for one to this: it is about other values', () => {
    const { core, ballot } = candidate();
    core.step({ kind: 'message', from: 2, message: promise(ballot, []) }, 500);
    const request = { origin: 1, boot: 1, sequence: 1 };
    const proposed = core.step({ kind: 'propose', request, value: Buffer.from('of this ballot') }, 501);
    const upTo = Math.max(0, ...proposed.flatMap((effect) => (effect.kind === 'persist' ? effect.sequence : [])));
    core.step({ kind: 'durable', upTo }, 502);
    // Member 2 accepted what this node proposed before it crashed and forgot it; who has both is no quorum for either.
    const accepted = (under: number): PeerMessage => ({
      kind: 'accepted',
      ballot: under,
      durableUpTo: 1,
      receivedUpTo: 1,
    });
    core.step({ kind: 'message', from: 2, message: accepted(ballot - 1024) }, 503);
    expect(core.status(503).decidedUpTo).toBe(0);
    core.step({ kind: 'message', from: 2, message: accepted(ballot) }, 504);
    expect(core.status(504).decidedUpTo).toBe(1);
  });

  it('gives way to the nack of a voter alone, and learns from anyone that its configuration is over', () => {
    const nack = (ballot: number, configId = 1): PeerMessage => ({
      kind: 'nack',
      ballot,
      promised: 9999 * 1024,
      configId,
    });
    const withLearner: CoreOptions['configuration'] = {
      ...OPTIONS.configuration,
      members: [...OPTIONS.configuration.members, { ...exampleMember(4), role: 'learner' }],
    };
    for (const role of ['candidate', 'leader'] as const) {
      const { core, ballot } = candidate(null, withLearner);
      if (role === 'leader') core.step({ kind: 'message', from: 2, message: promise(ballot, []) }, 500);
      for (const from of [4, 5]) core.step({ kind: 'message', from, message: nack(ballot) }, 500);
      expect(core.status(500).role).toBe(role);
      core.step({ kind: 'message', from: 2, message: nack(ballot) }, 500);
      expect(core.status(500).role).toBe('follower');
    }
    const { core, ballot } = candidate();
    const effects = core.step({ kind: 'message', from: 5, message: nack(ballot, 2) }, 500);
    expect(core.status(500).role).toBe('follower');
    expect(sends(effects)).toContainEqual(
      expect.objectContaining({ to: 5, message: { kind: 'catchUpRequest', fromSlot: 1 } }),
    );
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
      faulty: [],
      decidedUpTo: 0,
    };
    core.step({ kind: 'message', from: 2, message }, 500);
    expect(core.status(500).role).toBe('candidate');
    core.step({ kind: 'message', from: 2, message: promise(ballot, []) }, 500);
    expect(core.status(500).role).toBe('leader');
  });

  it('that had too much to learn lets the others have their turn before it tries again', () => {
    const { core, ballot } = candidate();
    core.step({ kind: 'message', from: 2, message: { ...promise(ballot, []), decidedUpTo: 9000 } as PeerMessage }, 500);
    const startedAt: number[] = [];
    for (let nowMs = 500; nowMs < 3000; nowMs += 10) {
      hear(core, nowMs);
      for (const effect of core.step({ kind: 'tick' }, nowMs))
        if (effect.kind === 'event' && effect.event.kind === 'electionStarted') startedAt.push(nowMs);
    }
    // It gives up after an election timeout without progress; what its prepares made the others wait ends one or two later.
    expect(startedAt[0]).toBeGreaterThanOrEqual(1500);
    expect(startedAt[0]).toBeLessThan(2100);
  });

  it('gives way to a higher ballot and comes back above it', () => {
    const { core, ballot } = candidate();
    const promised = ballot + 5 * 1024 + 1;
    core.step({ kind: 'message', from: 2, message: { kind: 'nack', ballot, promised, configId: 1 } }, 500);
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

describe('a follower', () => {
  it('goes on following a leader when something late comes from one that was deposed by it', () => {
    const core = new PaxosCore(OPTIONS, null);
    const follow = (from: number, message: PeerMessage) =>
      core.step({ kind: 'message', from, message }, 1).filter((effect) => effect.kind === 'event');
    const accept = (ballot: number) => ({ kind: 'accept', ballot, entries: [], decidedUpTo: 0 }) as const;
    follow(2, accept(1026));
    const heartbeat: PeerMessage = {
      kind: 'heartbeat',
      sequence: 1,
      promised: 2051,
      believedLeader: 3,
      leaderBallot: 2051,
      quorumConnected: true,
      configId: 1,
      decidedUpTo: 0,
      appliedUpTo: 0,
      health: HEALTHY,
    };
    expect(follow(3, heartbeat)).toHaveLength(1);
    // It has promised nothing higher than 1026 itself.
    expect(follow(2, accept(1026))).toEqual([]);
    expect(core.status(1)).toMatchObject({ believedLeader: 3, leaderBallot: 2051, promised: 1026 });
  });
});

describe('client requests', () => {
  it('wait for a leader for as long as vows to a dead one may keep others from leading, and four timeouts more', () => {
    const leaseReads = { durationMs: 700, driftRatio: 0.01 };
    const core = new PaxosCore({ ...OPTIONS, leaseReads }, null);
    core.step({ kind: 'propose', request: { origin: 1, boot: 1, sequence: 1 }, value: Buffer.from('a write') }, 0);
    core.step({ kind: 'read', request: { origin: 1, boot: 1, sequence: 2 } }, 0);
    const refusedAt: number[] = [];
    for (let nowMs = 0; nowMs < 5000; nowMs += 10)
      for (const effect of core.step({ kind: 'tick' }, nowMs)) if (effect.kind === 'refuse') refusedAt.push(nowMs);
    expect(refusedAt).toEqual([2700, 2700]);
  });

  it('are given back as busy, not as leaderless, when the leader here had no room for them', () => {
    const core = new PaxosCore(
      { ...OPTIONS, configuration: firstConfiguration([exampleMember(1)]), maxUndecidedSlots: 1 },
      null,
    );
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
