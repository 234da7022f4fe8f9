/** Waiting, sample by sample, until a cluster or a node is as it should be. */

import { formatBallot } from '../../../cluster-node/contract/ballot.ts';
import type { MemberPicture, Picture } from '../fleet/plan/picture.ts';
import type { LeaderChange } from '../telemetry/leader-changes.ts';
import type { NodePort } from './node-port.ts';

export interface Wait {
  readonly clusterId: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Waits for a picture of the cluster that `probe` has an answer for; null after the timeout. */
export function follow<T>(port: NodePort, wait: Wait, probe: (picture: Picture) => T | null): Promise<T | null> {
  return port.observations.waitFor(() => probe(port.picture(wait.clusterId)), wait);
}

export function memberOf(picture: Picture, nodeId: string): MemberPicture {
  const member = picture.members.find((one) => one.nodeId === nodeId);
  if (!member) throw new RangeError(`node ${nodeId} is not a member of ${picture.situation.cluster.name}`);
  return member;
}

/** The head that a node must reach to be level: that of the nodes heard now. 0: none is heard. */
export function headNow(picture: Picture): number {
  return Math.max(0, ...picture.members.map((member) => member.sample?.decidedUpTo ?? 0));
}

/** The node runs, reaches a quorum, and has decided everything up to `head`. `exceptPid`: not the process it was before. */
export function isLevel(member: MemberPicture, at: { head: number; exceptPid: number | null }): boolean {
  const sample = member.sample;
  return sample !== null && sample.pid !== at.exceptPid && sample.quorumConnected && sample.decidedUpTo >= at.head;
}

/** The new leader's own report comes with its host's next sample. */
const REPORTED_WITHIN_MS = 1500;

/** The first change of leader after a moment, as its leader reports it if that comes soon; null: none was heard of. */
export async function leaderChangeAfter(
  port: NodePort,
  at: { clusterId: string; sinceUnixMs: number; signal: AbortSignal },
): Promise<LeaderChange | null> {
  const change = () => port.leaders.firstAfter(at.clusterId, at.sinceUnixMs);
  const wait = { timeoutMs: REPORTED_WITHIN_MS, signal: at.signal };
  return (await port.observations.waitFor(() => (change()?.isByLeader ? change() : null), wait)) ?? change();
}

/** "node-2 leads under ballot 4.2, after 212 ms without a leader."; "" when nothing changed. */
export function sayLeaderChange(picture: Picture, change: LeaderChange | null): string {
  const leader = picture.members.find((member) => member.memberSlot === change?.memberSlot);
  if (!change || !leader) return '';
  const gap = change.gapMs === null ? '' : `, after ${change.gapMs} ms without a leader`;
  return ` ${leader.name} leads under ballot ${formatBallot(change.ballot)}${gap}.`;
}
