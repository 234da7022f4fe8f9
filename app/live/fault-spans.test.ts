import { expect, it } from 'vitest';
import type { FleetSnapshot } from '../../electron/contract/contract.ts';
import type { ClusterView, FaultView } from '../../electron/contract/model.ts';
import { nextSpans } from './fault-spans.ts';

const fault = (state: FaultView['state']): FaultView => ({
  faultId: 'f-00000001',
  clusterId: 'c-00000001',
  kind: 'partition',
  links: [],
  title: 'a | b',
  injectedAtUnixMs: 1000,
  healsAtUnixMs: 61_000,
  endedAtUnixMs: null,
  state,
  nodes: [],
});

const at = (atUnixMs: number, faults: FaultView[]): FleetSnapshot => ({
  atUnixMs,
  engineVersion: '',
  hosts: [],
  operations: [],
  clusters: [{ faults } as unknown as ClusterView],
});

it('holds open while the fault holds, and closes when it is seen to be healed', () => {
  const open = nextSpans([], at(2000, [fault('active')]));
  expect(open).toMatchObject([{ fromUnixMs: 1000, toUnixMs: null }]);
  expect(nextSpans(open, at(3000, [fault('healing')]))).toBe(open);
  const closed = nextSpans(open, at(9000, [fault('healed')]));
  expect(closed).toMatchObject([{ toUnixMs: 9000 }]);
  expect(nextSpans(closed, at(10_000, [fault('healed')]))).toBe(closed);
});

it('closes a span whose fault went out of sight, and takes the deadline of one that was over before', () => {
  const open = nextSpans([], at(2000, [fault('active')]));
  expect(nextSpans(open, at(5000, []))).toMatchObject([{ toUnixMs: 5000 }]);
  expect(nextSpans([], at(90_000, [fault('expired')]))).toMatchObject([{ toUnixMs: 61_000 }]);
});

it('takes the end that the engine saw', () => {
  expect(nextSpans([], at(90_000, [{ ...fault('healed'), endedAtUnixMs: 20_000 }]))).toMatchObject([
    { fromUnixMs: 1000, toUnixMs: 20_000 },
  ]);
});

it('never shades what was not injected, and forgets after an hour', () => {
  expect(nextSpans([], at(2000, [fault('notInjected')]))).toEqual([]);
  const closed = nextSpans([], at(90_000, [fault('expired')]));
  expect(nextSpans(closed, at(4_000_000, []))).toEqual([]);
});
