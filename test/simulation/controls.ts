/**
 * Negative controls: known bugs, each of which the checker must catch. They replace a rule, or the simulated runtime's
 * obedience, from outside; the product has no switch for them.
 */
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import { countingQuorums } from '../../cluster-node/paxos/quorum.ts';
import { PAXOS_RULES, type PaxosRules } from '../../cluster-node/paxos/rules.ts';

export interface Control {
  readonly rules: PaxosRules;
  /** The runtime sends at once, whatever the disk says. */
  readonly sendsEarly: boolean;
  /** The runtime answers reads from whatever it has applied. */
  readonly readsBeforeApplied: boolean;
  /** The machine carries out a request once, however often it is decided. */
  readonly appliesOnce: boolean;
  persists(record: DurableRecord): boolean;
  recovered(state: RecoveredState): RecoveredState;
}

export const CORRECT: Control = {
  rules: PAXOS_RULES,
  sendsEarly: false,
  readsBeforeApplied: false,
  appliesOnce: true,
  persists: () => true,
  recovered: (state) => state,
};

function breaking(change: Partial<PaxosRules>): Control {
  return { ...CORRECT, rules: { ...PAXOS_RULES, ...change } };
}

export const CONTROLS = {
  'accepts below its promise': breaking({ mayAccept: () => true }),
  'ignores accepted values': breaking({ binding: () => undefined }),
  'quorum minus one': breaking({
    quorums: (members) => {
      const majority = Math.floor(members.length / 2) + 1;
      return countingQuorums(members, majority, Math.max(1, majority - 1));
    },
  }),
  'answers before durable': { ...CORRECT, sendsEarly: true },
  'forgets its promise at a crash': { ...CORRECT, recovered: (state) => ({ ...state, promised: 0 }) },
} satisfies Record<string, Control>;

export type ControlName = keyof typeof CONTROLS;
