import { describe, expect, it } from 'vitest';
import type { ActiveFault } from '../../../../cluster-node/contract/fault.ts';
import { type KnownFault, mustBite, newFault, notInjected, recalledFault, settled, withNode } from './fault-state.ts';
import { isolate, mute } from './partitions.ts';

const T = 1_700_000_000_000;
const ttlMs = 10_000;
const links = isolate(1, [1, 2]);
const born = () =>
  newFault({
    faultId: 'f-00000001',
    clusterId: 'c-00000001',
    links,
    title: 't',
    nowUnixMs: T,
    ttlMs,
    state: 'injecting',
  });
const holding = (remainingMs = ttlMs, droppedMessages = 3): ActiveFault => ({
  faultId: 'f-00000001',
  fault: { kind: 'partition', links },
  remainingMs,
  droppedMessages,
});
const onBoth = () =>
  ['n-a', 'n-b'].reduce<KnownFault>(
    (fault, nodeId) => withNode(fault, { nodeId, state: 'active', atUnixMs: T + 10, active: holding() }),
    born(),
  );

describe('what is known of a fault', () => {
  it('is active while any node holds it, until the last deadline', () => {
    const fault = settled(onBoth(), T + 20, null);
    expect(fault.view).toMatchObject({ state: 'active', healsAtUnixMs: T + 10 + ttlMs });
    expect(fault.view.nodes.map((node) => node.droppedMessages)).toEqual([3, 3]);
    const half = settled(withNode(fault, { nodeId: 'n-a', state: 'healed', atUnixMs: T + 30 }), T + 30, null);
    expect(half.view.state).toBe('active');
  });

  it('is injecting and healing while an operation is at it', () => {
    expect(settled(onBoth(), T, 'injecting').view.state).toBe('injecting');
    expect(settled(onBoth(), T, 'healing').view.state).toBe('healing');
  });

  it.each([
    ['asked', true, T + 100, 'healed', T + 100],
    ['by its deadline', false, T + ttlMs + 20, 'expired', T + ttlMs + 10],
    ['because the nodes restarted', false, T + 100, 'healed', T + 100],
  ])('ends %s', (...[, healAsked, at, state, endedAt]) => {
    const fault = ['n-a', 'n-b'].reduce<KnownFault>(
      (known, nodeId) => withNode(known, { nodeId, state: 'healed', atUnixMs: at }),
      { ...onBoth(), healAsked },
    );
    const ended = settled(fault, at, null);
    expect([ended.view.state, ended.view.endedAtUnixMs]).toEqual([state, endedAt]);
  });

  it('stays unknown for a node that cannot be asked, until its deadline has passed for certain', () => {
    const failure = {
      kind: 'timeout',
      message: 'm',
      host: null,
      step: null,
      command: null,
      exitCode: null,
      stderr: null,
      nextStep: 'n',
    };
    const lost = withNode(withNode(onBoth(), { nodeId: 'n-a', state: 'unknown', atUnixMs: T + 50, failure }), {
      nodeId: 'n-b',
      state: 'healed',
      atUnixMs: T + 50,
    });
    expect(settled(lost, T + ttlMs, null).view.state).toBe('unknown');
    expect(settled(lost, T + 10 + ttlMs + 500, null).view.state).toBe('unknown');
    expect(settled(lost, T + 10 + ttlMs + 602, null).view.state).toBe('expired');
  });

  it('is recalled as unknown by the next engine, and found again or over', () => {
    const recalled = recalledFault(settled(onBoth(), T, null).view, T + 2000);
    expect(recalled.view).toMatchObject({ state: 'unknown', nodes: [{ state: 'unknown' }, { state: 'unknown' }] });
    const found = withNode(recalled, { nodeId: 'n-a', state: 'active', atUnixMs: T + 3000, active: holding(7000) });
    expect(settled(found, T + 3000, null).view.state).toBe('active');
  });

  it('is recalled as it ended', () => {
    const { view } = notInjected(born(), T);
    expect(recalledFault(view, T + 2000).view).toEqual(view);
  });

  it('is not injected when nobody took it, and unknown when somebody may have', () => {
    const refused = withNode(born(), { nodeId: 'n-a', state: 'failed', atUnixMs: T });
    expect(notInjected(refused, T).view.state).toBe('notInjected');
    const doubtful = withNode(refused, { nodeId: 'n-b', state: 'unknown', atUnixMs: T, endsAtUnixMs: T + ttlMs });
    expect(settled(notInjected(doubtful, T), T, null).view.state).toBe('unknown');
  });
});

describe('who must bite', () => {
  it.each([
    ['both ends hold it: the senders', isolate(1, [1, 2, 3]), [1, 2, 3], [1, 2, 3], [1, 2, 3]],
    ['one-way: only the mute one', mute(1, [1, 2, 3]), [1, 2, 3], [1, 2, 3], [1]],
    ['the mute one cannot hold it: its receivers', mute(1, [1, 2, 3]), [2, 3], [1, 2, 3], [2, 3]],
    ['a dead peer sends nothing', isolate(1, [1, 2, 3]), [2, 3], [2, 3], []],
  ])('%s', (...[, cut, holders, alive, expected]) => {
    expect(mustBite(cut, { holders, alive })).toEqual(expected);
  });
});
