/** Before and after an action: how many voters work, whether writes are possible, who is expected to lead. */
import type { Link } from '../../../../cluster-node/contract/fault.ts';
import type { Consequence } from '../../../contract/model.ts';
import { CutLinks, type Outlook, outlookOf } from './links.ts';
import type { Picture } from './picture.ts';
import { holdingFaults } from './situation.ts';

/** A state of the cluster that an action starts from or ends in. */
export interface Course {
  /** Member slots of voters that run for certain. */
  readonly alive: readonly number[];
  /** Member slots of voters of which nothing is known. */
  readonly unheard: readonly number[];
  readonly cut: readonly Link[];
  /** Who leads as far as is known; null: nobody, or unknown. */
  readonly leader: number | null;
}

/** Where the cluster stands now: faults, and links on which nothing was heard for longer than an election timeout. */
export function courseNow(picture: Picture): Course {
  const voting = picture.members.filter((member) => member.standing === 'voter');
  return {
    alive: voting.filter((member) => member.alive === true).map((member) => member.memberSlot),
    unheard: voting.filter((member) => member.alive === null).map((member) => member.memberSlot),
    cut: [...faultLinks(picture), ...silentLinks(picture)],
    leader: picture.leader?.memberSlot ?? null,
  };
}

/** Links that faults hold cut, one of them left out if it is named. */
export function faultLinks(picture: Picture, exceptFaultId?: string): Link[] {
  return holdingFaults(picture.situation.faults)
    .filter((fault) => fault.faultId !== exceptFaultId)
    .flatMap((fault) => fault.links);
}

/** Shorter silences are jitter. */
const SHORTEST_SILENCE_MS = 1000;

/** Links between running nodes on which nothing arrives, whatever the cause. */
export function silentLinks(picture: Picture): Link[] {
  const longest = Math.max(SHORTEST_SILENCE_MS, 2 * picture.situation.cluster.electionTimeoutMs);
  const alive = new Set(picture.members.filter((one) => one.alive === true).map((one) => one.memberSlot));
  return picture.members.flatMap((member) =>
    (member.sample?.peers ?? [])
      .filter((peer) => alive.has(peer.memberSlot) && (peer.heardMsAgo === null || peer.heardMsAgo > longest))
      .map((peer) => ({ from: peer.memberSlot, to: member.memberSlot })),
  );
}

export function outlookAt(course: Course, quorumSize: number): Outlook {
  return outlookOf({
    alive: course.alive,
    cut: new CutLinks(course.cut),
    size: quorumSize,
    leader: course.leader,
  });
}

/** Figures of a course; `writable` is null where it hangs on voters that are not heard of. */
export function quorumOutlook(course: Course, picture: Picture): Consequence['before'] {
  const size = picture.quorumSize;
  const certain = outlookAt(course, size);
  const atBest = outlookAt({ ...course, alive: [...course.alive, ...course.unheard] }, size);
  const working = certain.working.length;
  return {
    working,
    size,
    voters: picture.voters.length,
    tolerates: certain.candidates.length > 0 ? working - size : Math.min(-1, working - size),
    writable: certain.candidates.length > 0 ? true : atBest.candidates.length > 0 ? null : false,
  };
}
