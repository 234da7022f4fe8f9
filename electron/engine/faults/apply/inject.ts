/**
 * Injecting a fault. Every node that can hold it is asked at the same time to arm its cure and then apply it; each says what
 * it holds, and dropped messages prove that it bites. If one of them does not take it, those that did are healed at once: a
 * half of a partition is another fault than the one that was asked for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultLease, Link } from '../../../../cluster-node/contract/fault.ts';
import { isOutcomeUnknown } from '../../agents/agent-error.ts';
import { holdersOf, whyIdle } from '../../fleet/plan/fault-consequence.ts';
import { type MemberPicture, pictureOf } from '../../fleet/plan/picture.ts';
import type { Situation } from '../../fleet/plan/situation.ts';
import { counted, listed } from '../../fleet/plan/wording.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import type { OperationRun } from '../../operations/operations.ts';
import { mustBite } from '../plan/fault-state.ts';
import { partitionTitle } from '../plan/fault-title.ts';
import { type FaultPort, hostName } from './fault-port.ts';
import { healOn } from './heal.ts';

export interface Injection {
  readonly clusterId: string;
  readonly faultId: string;
  readonly links: readonly Link[];
  readonly ttlMs: number;
}

const INJECT = 'Arm the cure and cut the links';
const PROVE = 'Prove that it bites';
/** Heartbeats cross every link many times in this time. */
const BITE_WITHIN_MS = 3000;
const LOOK_EVERY_MS = 50;

/** Body of a `faultInject` operation: returns its outcome, throws FailureError when the fault does not hold. */
export async function injectPartition(port: FaultPort, run: OperationRun, injection: Injection): Promise<string> {
  const situation = port.situation(injection.clusterId);
  const picture = pictureOf(situation);
  const ends = picture.members.filter(({ memberSlot }) =>
    injection.links.some(({ from, to }) => from === memberSlot || to === memberSlot),
  );
  const { holders, idle } = holdersOf(picture, ends);
  const alive = picture.members.filter((one) => one.alive === true).map((one) => one.memberSlot);
  const biting = mustBite(injection.links, { holders: holders.map((one) => one.memberSlot), alive });
  const title = partitionTitle(injection.links, situation.members);
  run.announce([
    ...holders.map((holder) => ({ ...placeOf(situation, holder), step: INJECT })),
    { hostId: null, host: null, step: PROVE },
  ]);
  port.ledger.begin({ ...injection, title });
  try {
    await injectOnAll(port, run, { injection, situation, holders });
    const nodes = holders.filter((one) => biting.includes(one.memberSlot));
    const unproven = nodes.length === 0 ? whyUnproven(situation, idle) : null;
    const dropped = await prove(port, run, { faultId: injection.faultId, nodes, unproven });
    port.ledger.release(injection.faultId);
    const proof = unproven ? `. It is ${unproven}.` : `; ${counted(dropped, 'message')} dropped already.`;
    return `Cut ${counted(injection.links.length, 'link')} on ${counted(holders.length, 'node')} (${title})${proof}`;
  } catch (error) {
    await takeBack(port, injection.faultId, holders);
    throw error;
  }
}

function placeOf(situation: Situation, member: MemberPicture) {
  return { hostId: member.hostId, host: hostName(situation, member.hostId) };
}

async function injectOnAll(
  port: FaultPort,
  run: OperationRun,
  at: { injection: Injection; situation: Situation; holders: readonly MemberPicture[] },
): Promise<void> {
  const { faultId, links, ttlMs } = at.injection;
  const lease: FaultLease = { faultId, fault: { kind: 'partition', links: [...links] }, ttlMs };
  const attempts = await Promise.allSettled(
    at.holders.map((holder) =>
      run.step({ ...placeOf(at.situation, holder), step: INJECT }, async () => {
        await injectOn(port, { holder, lease });
        return { state: 'succeeded', detail: `${holder.name} heals it by itself in ${Math.round(ttlMs / 1000)} s` };
      }),
    ),
  );
  const failed = attempts.find((attempt) => attempt.status === 'rejected');
  if (failed) throw failed.reason;
}

async function injectOn(port: FaultPort, at: { holder: MemberPicture; lease: FaultLease }): Promise<void> {
  const { nodeId, hostId } = at.holder;
  const { faultId, ttlMs } = at.lease;
  try {
    const active = await port.agents.call(hostId, 'injectFault', { nodeId, lease: at.lease });
    port.ledger.note(faultId, { nodeId, state: 'active', active });
  } catch (error) {
    const failure = failureOf(error);
    if (isOutcomeUnknown(error)) port.ledger.noteUnknown(faultId, { nodeId, failure, ttlMs });
    else port.ledger.note(faultId, { nodeId, state: 'failed', failure });
    throw error;
  }
}

/** Between no two running nodes is anything cut, so nothing is sent that could be dropped. */
function whyUnproven(situation: Situation, idle: readonly MemberPicture[]): string {
  const why = idle.map((one) => `${one.name} ${whyIdle(situation, one)}`);
  return `not proven yet: nothing is sent on the cut links${why.length > 0 ? `, since ${listed(why)}` : ''}`;
}

/** Waits until each of these nodes has dropped something; returns how many messages were dropped in all. */
async function prove(
  port: FaultPort,
  run: OperationRun,
  at: { faultId: string; nodes: readonly MemberPicture[]; unproven: string | null },
): Promise<number> {
  let dropped = 0;
  await run.step({ hostId: null, host: null, step: PROVE }, async () => {
    if (at.unproven !== null) return { state: 'unknown', detail: at.unproven };
    const endsAt = port.clock() + BITE_WITHIN_MS;
    for (;;) {
      run.signal.throwIfAborted();
      const seen = await Promise.all(at.nodes.map((node) => droppedOn(port, { faultId: at.faultId, node })));
      dropped = seen.reduce((sum, one) => sum + one.dropped, 0);
      const silent = seen.filter((one) => one.dropped === 0).map((one) => one.name);
      if (silent.length === 0) return { state: 'succeeded', detail: `${counted(dropped, 'message')} dropped` };
      if (port.clock() > endsAt) throw neverBit(silent);
      await delay(LOOK_EVERY_MS, undefined, { signal: run.signal });
    }
  });
  return dropped;
}

async function droppedOn(port: FaultPort, at: { faultId: string; node: MemberPicture }) {
  const { nodeId, hostId, name } = at.node;
  const { faults } = await port.agents.call(hostId, 'listFaults', { nodeId });
  port.ledger.noteHeld(nodeId, faults);
  return { name, dropped: faults.find((fault) => fault.faultId === at.faultId)?.droppedMessages ?? 0 };
}

function neverBit(silent: readonly string[]): FailureError {
  return new FailureError({
    kind: 'notInjected',
    message: `${listed(silent)} took the fault but dropped no message within ${BITE_WITHIN_MS / 1000} s, so it was taken back.`,
    nextStep: 'See whether these nodes have a connection to their peers at all, then inject it again.',
  });
}

/** Heals whoever took it, so that nothing stays half-applied. */
async function takeBack(port: FaultPort, faultId: string, holders: readonly MemberPicture[]): Promise<void> {
  const took = port.ledger.get(faultId)?.nodes.filter((node) => node.state !== 'failed') ?? [];
  const nodes = holders.filter((holder) => took.some((node) => node.nodeId === holder.nodeId));
  await Promise.all(nodes.map((node) => healOn(port, { faultId, node }).catch(() => undefined)));
  port.ledger.release(faultId, 'neverBit');
}
