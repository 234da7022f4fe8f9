import { describe, expect, it } from 'vitest';
import {
  type Configuration,
  type ConfigurationChange,
  firstConfiguration,
  votersOf,
} from '../contract/configuration.ts';
import { exampleMember } from './under-test/member-example.ts';
import { MAX_PROMOTION_LAG_SLOTS, type Plan, planChange, type Surroundings } from './reconfiguration.ts';

const THREE = firstConfiguration([1, 2, 3].map(exampleMember));
const { memberSlot: _, ...NEW_MEMBER } = exampleMember(4);
const FINE: Surroundings = { leader: 1, isPresent: () => true, decidedUpTo: 1000, durableUpTo: () => 1000 };

function next(now: Configuration, change: ConfigurationChange, around: Partial<Surroundings> = {}): Configuration {
  const plan = planChange(now, change, { ...FINE, ...around });
  if (plan.kind === 'refused') throw new Error(plan.reason);
  return plan.configuration;
}

function refusal(now: Configuration, change: ConfigurationChange, around: Partial<Surroundings> = {}): string {
  const plan: Plan = planChange(now, change, { ...FINE, ...around });
  return plan.kind === 'refused' ? plan.reason : 'not refused';
}

const withLearner = next(THREE, { kind: 'addLearner', member: NEW_MEMBER });
const withFour = next(withLearner, { kind: 'promote', memberSlot: 4 });

describe('a change', () => {
  it('adds a learner with a member slot that nobody ever had', () => {
    expect(withLearner).toMatchObject({ configId: 2, nextMemberSlot: 5, quorumSizes: null });
    expect(withLearner.members.at(-1)).toEqual({ ...exampleMember(4), role: 'learner' });
    const gone = next(withLearner, { kind: 'remove', memberSlot: 4 });
    const again = next(gone, { kind: 'addLearner', member: NEW_MEMBER });
    expect(again.members.map(({ memberSlot }) => memberSlot)).toEqual([1, 2, 3, 5]);
  });

  it('makes a learner a voter, and a voter nothing', () => {
    expect(votersOf(withFour)).toEqual([1, 2, 3, 4]);
    expect(votersOf(next(withFour, { kind: 'remove', memberSlot: 2 }))).toEqual([1, 3, 4]);
  });

  it('takes explicit quorum sizes along as far as all quorums intersect', () => {
    const five = firstConfiguration([1, 2, 3, 4, 5].map(exampleMember));
    const sized = { ...five, quorumSizes: { phase1: 4, phase2: 2 } };
    const { memberSlot, ...sixth } = exampleMember(6);
    const six = next(next(sized, { kind: 'addLearner', member: sixth }), { kind: 'promote', memberSlot });
    expect(six.quorumSizes).toEqual({ phase1: 5, phase2: 3 });
    const two = { ...firstConfiguration([1, 2].map(exampleMember)), quorumSizes: { phase1: 2, phase2: 1 } };
    // A value may be chosen by the removed member alone.
    expect(refusal(two, { kind: 'remove', memberSlot: 2 })).toContain('set quorums of 2 and 2 first');
    const safer = { ...two, quorumSizes: { phase1: 2, phase2: 2 } };
    expect(next(safer, { kind: 'remove', memberSlot: 2 }).quorumSizes).toEqual({ phase1: 1, phase2: 1 });
  });

  it('sets quorum sizes, by steps between which all quorums intersect', () => {
    const five = firstConfiguration([1, 2, 3, 4, 5].map(exampleMember));
    const change = (phase1: number, phase2: number) =>
      ({ kind: 'setQuorums', quorumSizes: { phase1, phase2 } }) as const;
    expect(refusal(five, change(4, 2))).toContain('set quorums of 4 and 3 first');
    const between = next(five, change(4, 3));
    expect(next(between, change(4, 2)).quorumSizes).toEqual({ phase1: 4, phase2: 2 });
    expect(next(between, { kind: 'setQuorums', quorumSizes: null }).quorumSizes).toBeNull();
  });
});

describe('a change is refused', () => {
  it.each([
    ['n-00000002', { nodeId: 'n-00000002' }],
    ['name node-3', { name: 'node-3' }],
    ['listens at 127.0.0.1:20002', { peerPort: 20_002 }],
    ['listens at 127.0.0.1:20002', { clientPort: 20_002 }],
  ])('when the new member is there already: %s', (text, part) => {
    expect(refusal(THREE, { kind: 'addLearner', member: { ...NEW_MEMBER, ...part } })).toContain(text);
  });

  it('when no member slot is left', () => {
    const last = { ...THREE, nextMemberSlot: 1024 };
    expect(refusal(last, { kind: 'addLearner', member: NEW_MEMBER })).toContain('used once');
    const full = firstConfiguration(Array.from({ length: 63 }, (_none, at) => exampleMember(at + 1)));
    expect(refusal(full, { kind: 'addLearner', member: NEW_MEMBER })).toContain('63 members');
  });

  it('when whom it is about is not there, or is a voter already', () => {
    expect(refusal(THREE, { kind: 'promote', memberSlot: 9 })).toContain('no member 9');
    expect(refusal(THREE, { kind: 'remove', memberSlot: 9 })).toContain('no member 9');
    expect(refusal(THREE, { kind: 'promote', memberSlot: 2 })).toContain('a voter already');
  });

  it('when the learner is not connected or has not caught up', () => {
    const promote = { kind: 'promote', memberSlot: 4 } as const;
    expect(refusal(withLearner, promote, { isPresent: (member) => member !== 4 })).toContain('not connected');
    const lagging = (lag: number) => ({ durableUpTo: (member: number) => (member === 4 ? 1000 - lag : 1000) });
    expect(refusal(withLearner, promote, lagging(MAX_PROMOTION_LAG_SLOTS + 1))).toContain('has not caught up');
    expect(refusal(withLearner, promote, lagging(MAX_PROMOTION_LAG_SLOTS))).toBe('not refused');
  });

  it('when it would remove the leader or the last voter', () => {
    expect(refusal(THREE, { kind: 'remove', memberSlot: 1 })).toContain('transfer leadership first');
    const alone = firstConfiguration([exampleMember(1)]);
    expect(refusal(alone, { kind: 'remove', memberSlot: 1 })).toContain('the last voter');
  });

  it('when the voters that are connected could not decide in the next configuration', () => {
    const without = (...absent: number[]) => ({ isPresent: (member: number) => !absent.includes(member) });
    expect(refusal(THREE, { kind: 'remove', memberSlot: 3 }, without(2))).toContain(
      'node-2 (member 2) would be missing',
    );
    expect(refusal(THREE, { kind: 'remove', memberSlot: 3 }, without(3))).toBe('not refused');
    expect(refusal(withLearner, { kind: 'promote', memberSlot: 4 }, without(2, 3))).toContain('needs 3 of its 4');
    expect(refusal(withLearner, { kind: 'remove', memberSlot: 4 }, without(4))).toBe('not refused');
  });

  it('when quorums of the given sizes need not intersect or cannot be had', () => {
    const change = (phase1: number, phase2: number) =>
      ({ kind: 'setQuorums', quorumSizes: { phase1, phase2 } }) as const;
    expect(refusal(THREE, change(2, 1))).toContain('need not intersect');
    expect(refusal(THREE, change(4, 1))).toContain('more than the 3 voters');
    expect(refusal(THREE, change(3, 2), { isPresent: (member) => member !== 3 })).toContain('needs 3 of its 3');
  });
});
