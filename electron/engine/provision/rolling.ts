/**
 * Nodes that run, restarted one after the other so that the cluster goes on serving: followers first and the leader last, after
 * it has handed over; each is level with the others before the next one's turn. At the first that does not come back as it was,
 * everything goes back to what it ran on.
 */
import type { Picture } from '../fleet/plan/picture.ts';
import type { StoredMember } from '../fleet/records.ts';
import { runFailover } from '../nodes/failover.ts';
import { follow, headNow, isLevel, memberOf } from '../nodes/follow.ts';
import type { NodePort } from '../nodes/node-port.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { OperationRun } from '../operations/operations.ts';

const LEVEL_WITHIN_MS = 60_000;
/** How often leadership may move away under our hands before that is a failure. */
const HAND_OVERS = 10;
/** What was only just started may not have been heard of yet. */
const SETTLED_WITHIN_MS = 10_000;

export interface Turn {
  readonly member: StoredMember;
  readonly host: { readonly hostId: string; readonly name: string };
  /** Throws FailureError. */
  readonly restart: () => Promise<void>;
  /** Puts back what it ran on and restarts it if it was restarted; false: there is nothing to put back. Throws FailureError. */
  readonly goBack: (wasRestarted: boolean) => Promise<boolean>;
}

export interface Rolling {
  readonly clusterId: string;
  readonly turns: readonly Turn[];
}

/** Throws FailureError `wouldLoseQuorum` with nothing restarted since, `notLevel`, and what a restart throws. */
export async function restartInTurn(port: NodePort, rolling: Rolling, run: OperationRun): Promise<void> {
  const restarted: Turn[] = [];
  const left = [...rolling.turns];
  try {
    for (let lost = 0; left.length > 0; ) {
      const turn = await next(port, { ...rolling, left }, run);
      // Leadership may move by itself meanwhile: then another may be next.
      if (!(await makeWay(port, { clusterId: rolling.clusterId, turn, isLast: ++lost === HAND_OVERS }, run))) continue;
      lost = 0;
      left.splice(left.indexOf(turn), 1);
      restarted.push(turn);
      await restart(port, { clusterId: rolling.clusterId, turn }, run);
    }
  } catch (error) {
    if (run.signal.aborted) throw error;
    throw await allBack(port, { ...rolling, restarted, left, error }, run);
  }
}

/** A follower while there is one. */
async function next(
  port: NodePort,
  { clusterId, left }: Rolling & { left: readonly Turn[] },
  run: OperationRun,
): Promise<Turn> {
  const wait = { clusterId, timeoutMs: SETTLED_WITHIN_MS, signal: run.signal };
  const picture = (await follow(port, wait, (now) => (now.leader === null ? null : now))) ?? port.picture(clusterId);
  const turn = left.find((one) => one.member.memberSlot !== picture.leader?.memberSlot) ?? left[0];
  if (turn === undefined) throw new RangeError('no turn is left');
  return turn;
}

/** The others must make a quorum without it; and if it leads, one of them leads first. False: who leads has changed meanwhile. */
async function makeWay(
  port: NodePort,
  at: { clusterId: string; turn: Turn; isLast: boolean },
  run: OperationRun,
): Promise<boolean> {
  const { clusterId, turn } = at;
  const { memberSlot } = turn.member;
  const others = (now: Picture) => now.working.filter((slot) => slot !== memberSlot);
  const wait = { clusterId, timeoutMs: SETTLED_WITHIN_MS, signal: run.signal };
  const ready = await follow(port, wait, (now) => (others(now).length >= now.quorumSize ? now : null));
  const picture = ready ?? port.picture(clusterId);
  if (ready === null && !isUnavoidable(picture)) throw wouldLoseQuorum(picture, turn);
  if (picture.leader?.memberSlot !== memberSlot) return true;
  const heirs = picture.members.filter((member) => others(picture).includes(member.memberSlot));
  const heir = heirs.toSorted((a, b) => (b.sample?.decidedUpTo ?? 0) - (a.sample?.decidedUpTo ?? 0))[0];
  if (!heir || !ready) return true;
  try {
    await runFailover(port, run, { clusterId, target: heir.nodeId });
    return true;
  } catch (error) {
    const hasMoved = error instanceof FailureError && ['notLeader', 'transferFailed'].includes(error.failure.kind);
    if (at.isLast || !hasMoved) throw error;
    // The picture that the hand-over was asked for by is older than its answer: a later one says who leads now.
    await follow(port, wait, (now) => (isHeardAgain(now, picture, memberSlot) ? now : null));
    return false;
  }
}

/** The node has said something since, or others have been heard to follow another leader. */
function isHeardAgain(now: Picture, before: Picture, memberSlot: number): boolean {
  const heardAt = (picture: Picture) =>
    picture.members.find((member) => member.memberSlot === memberSlot)?.observation?.observedAtUnixMs ?? 0;
  return heardAt(now) > heardAt(before) || now.leader?.ballot !== before.leader?.ballot;
}

/** One or two voters cannot spare any, and where nobody is agreed to lead there is no service to lose. */
function isUnavoidable({ members, quorumSize, leader }: Picture): boolean {
  return members.length - 1 < quorumSize || leader === null;
}

function wouldLoseQuorum(picture: Picture, { member, host }: Turn): FailureError {
  const out = picture.members.filter((one) => !picture.working.includes(one.memberSlot)).map((one) => one.name);
  return new FailureError({
    kind: 'wouldLoseQuorum',
    host: host.name,
    message: `To restart ${member.name} now would leave fewer than ${picture.quorumSize} nodes working: ${out.join(', ')} ${out.length === 1 ? 'is' : 'are'} out.`,
    nextStep: 'Bring back the nodes that are out, then run this again: it goes on where it stopped.',
  });
}

async function restart(port: NodePort, at: { clusterId: string; turn: Turn }, run: OperationRun): Promise<void> {
  const { clusterId, turn } = at;
  const before = port.picture(clusterId);
  const exceptPid = memberOf(before, turn.member.nodeId).service?.pid ?? null;
  const head = headNow(before);
  await turn.restart();
  await run.step({ ...turn.host, host: turn.host.name, step: 'Level again' }, async () => {
    const wait = { clusterId, timeoutMs: LEVEL_WITHIN_MS, signal: run.signal };
    const level = await follow(port, wait, (now) => {
      const member = memberOf(now, turn.member.nodeId);
      return isLevel(member, { head, exceptPid }) || (isUnavoidable(now) && member.sample !== null) ? member : null;
    });
    if (level) return { state: 'succeeded', detail: `decided up to ${level.sample?.decidedUpTo ?? head}` };
    const { sample, service } = memberOf(port.picture(clusterId), turn.member.nodeId);
    const state = sample ? `decided up to ${sample.decidedUpTo} of ${head}` : (service?.reason ?? 'it does not answer');
    throw new FailureError({
      kind: 'notLevel',
      host: turn.host.name,
      message: `${turn.member.name} was restarted and is not level with the others after ${LEVEL_WITHIN_MS / 1000} s: ${state}.`,
      nextStep: `See the log of ${turn.member.name}.`,
    });
  });
}

/** The failure, with what became of the way back; the last that was restarted goes first. */
async function allBack(
  port: NodePort,
  at: Rolling & { restarted: readonly Turn[]; left: readonly Turn[]; error: unknown },
  run: OperationRun,
): Promise<FailureError> {
  const failure = failureOf(at.error);
  const back: string[] = [];
  const failed: string[] = [];
  for (const turn of [...at.restarted.toReversed(), ...at.left]) {
    try {
      const wasRestarted = at.restarted.includes(turn);
      if (!(await turn.goBack(wasRestarted))) continue;
      if (wasRestarted)
        await follow(port, { clusterId: at.clusterId, timeoutMs: LEVEL_WITHIN_MS, signal: run.signal }, (now) =>
          now.working.includes(turn.member.memberSlot) ? turn : null,
        );
      back.push(turn.member.name);
    } catch (error) {
      failed.push(`${turn.member.name} (${failureOf(error).message})`);
    }
  }
  const said = [
    back.length > 0 ? ` What ${back.join(', ')} ran on before was put back.` : '',
    failed.length > 0 ? ` To go back failed on ${failed.join(', ')}.` : '',
  ];
  return new FailureError({ ...failure, message: `${failure.message}${said.join('')}` }, { cause: at.error });
}
