import { expect, test } from 'vitest';
import { encodeConfiguration, firstConfiguration } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import { PaxosCore } from './core.ts';
import type { Effect } from './interface.ts';
import { PAXOS_RULES } from './rules.ts';
import { exampleMember } from './under-test/member-example.ts';

test.each([
  ['no read before that is decided: more may be, after it, than it proposes', PAXOS_RULES, [], [2]],
  ['too early without the rule', { ...PAXOS_RULES, mayAnswerReads: () => true }, [1], []],
])('a leader that took over a stop entry answers %s', (_, rules, atOnce, later) => {
  const configuration = firstConfiguration([exampleMember(1)]);
  const stop = encodeConfiguration({ ...configuration, configId: 2 });
  const accepted = [stop, Buffer.from('after')].map((value, at) => ({
    slot: at + 1,
    ballot: 1025,
    value,
    digest: digestOf(value),
  }));
  const options = { self: 1, configuration, heartbeatMs: 50, electionTimeoutMs: 500, seed: 1 };
  const limits = { maxUndecidedSlots: 64, maxBatchBytes: 65536, memorySlots: 64, leaseReads: null };
  const core = new PaxosCore(
    { ...options, ...limits },
    { promised: 1025, decidedUpTo: 0, accepted, faulty: [] },
    rules,
  );
  let nowMs = 0;
  let written = 0;
  const note = (effects: readonly Effect[]) => {
    for (const effect of effects) if (effect.kind === 'persist') written = effect.sequence;
    return effects.flatMap((effect) => (effect.kind === 'readReady' ? effect.readSlot : []));
  };
  while (core.status(nowMs).role === 'follower') note(core.step({ kind: 'tick' }, (nowMs += 10)));
  note(core.step({ kind: 'durable', upTo: written }, nowMs));
  expect(core.status(nowMs)).toMatchObject({ role: 'leader', decidedUpTo: 0 });
  expect(note(core.step({ kind: 'read', request: { origin: 1, boot: 1, sequence: 1 } }, nowMs))).toEqual(atOnce);
  const readSlots: number[] = [];
  for (let round = 0; round < 20; round++) {
    readSlots.push(...note(core.step({ kind: 'durable', upTo: written }, nowMs)));
    readSlots.push(...note(core.step({ kind: 'tick' }, (nowMs += 50))));
  }
  expect(readSlots).toEqual(later);
});
