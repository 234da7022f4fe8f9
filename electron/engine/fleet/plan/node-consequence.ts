/** Starting, stopping, restarting and killing a node, and handing over leadership. */
import type { Action } from '../../../contract/model.ts';
import type { Draft } from './draft.ts';
import { type Course, courseNow, outlookAt } from './outlook.ts';
import type { MemberPicture, Picture } from './picture.ts';
import { listed } from './wording.ts';

type NodeAction = Extract<Action, { kind: 'nodeStart' | 'nodeStop' | 'nodeRestart' | 'nodeKill' | 'failover' }>;

/** From the end of a process to a node that answers again: its runtime starts and its log is read. */
const RESTART_MS = 1500;

export function consequenceOfNodeAction(picture: Picture, action: NodeAction): Draft {
  const nodeId = action.kind === 'failover' ? action.target : action.nodeId;
  const member = picture.members.find((one) => one.nodeId === nodeId);
  if (!member) return refused(picture, `There is no node ${nodeId} in ${picture.situation.cluster.name}.`);
  switch (action.kind) {
    case 'nodeStart':
      return start(picture, member);
    case 'nodeStop':
      return stop(picture, member);
    case 'nodeRestart':
      return restart(picture, member);
    case 'nodeKill':
      return kill(picture, member);
    case 'failover':
      return failover(picture, member);
  }
}

function refused(picture: Picture, reason: string): Draft {
  const after = courseNow(picture);
  return { refusals: [reason], warnings: [], runs: [], after, interruptionMs: 0, quorumBackMs: null, undo: null };
}

function start(picture: Picture, member: MemberPicture): Draft {
  const now = courseNow(picture);
  const { memberSlot, name } = member;
  return {
    refusals: unaskable(picture, member),
    warnings: [],
    runs: run(picture, member, `start ${name} under its supervisor`),
    after: {
      ...now,
      alive: [...without(now.alive, memberSlot), memberSlot].sort((a, b) => a - b),
      unheard: without(now.unheard, memberSlot),
    },
    interruptionMs: 0,
    quorumBackMs: null,
    undo: `Stop ${name}.`,
  };
}

function stop(picture: Picture, member: MemberPicture): Draft {
  const after = goneFrom(courseNow(picture), member.memberSlot);
  return {
    refusals: unaskable(picture, member),
    warnings: leaderWarning(picture, member, after),
    runs: run(picture, member, `stop ${member.name} and its supervisor; its data stays`),
    after,
    interruptionMs: electionMs(picture, member),
    quorumBackMs: null,
    undo: `Start ${member.name}.`,
  };
}

function restart(picture: Picture, member: MemberPicture): Draft {
  const after = goneFrom(courseNow(picture), member.memberSlot);
  return {
    refusals: unaskable(picture, member),
    warnings: [
      ...leaderWarning(picture, member, after),
      `${member.name} is back after about ${backSeconds(picture)} s; only until then is the margin smaller.`,
    ],
    runs: run(picture, member, `stop ${member.name}, then start it again`),
    after,
    interruptionMs: electionMs(picture, member),
    quorumBackMs: backMs(picture),
    undo: null,
  };
}

function kill(picture: Picture, member: MemberPicture): Draft {
  const after = goneFrom(courseNow(picture), member.memberSlot);
  const dead = member.fresh && member.service?.pid == null;
  return {
    refusals: [...unaskable(picture, member), ...(dead ? [`${member.name} has no process to kill.`] : [])],
    warnings: [
      ...leaderWarning(picture, member, after),
      `The supervisor of ${member.name} starts it again by itself: it is back after about ${backSeconds(picture)} s, and only until then is the margin smaller.`,
    ],
    runs: run(picture, member, `kill -9 ${member.service?.pid ?? ''} (${member.name})`.replace('  ', ' ')),
    after,
    interruptionMs: electionMs(picture, member),
    quorumBackMs: backMs(picture),
    undo: null,
  };
}

function failover(picture: Picture, target: MemberPicture): Draft {
  const now = courseNow(picture);
  const leader = picture.members.find((member) => member.memberSlot === picture.leader?.memberSlot);
  const undo = leader ? `Move leadership back to ${leader.name}.` : null;
  return {
    refusals: failoverRefusals(picture, target, leader),
    warnings: farBehind(picture, target, leader),
    runs: leader ? run(picture, leader, `${leader.name} hands leadership to ${target.name}`) : [],
    after: { ...now, leader: target.memberSlot },
    interruptionMs: transferMs(leader, target),
    quorumBackMs: null,
    undo,
  };
}

function failoverRefusals(picture: Picture, target: MemberPicture, leader: MemberPicture | undefined): string[] {
  if (!leader) return ['No leader is agreed on, so there is nobody who could hand over.'];
  if (target.alive === null) return [`${target.name} is not heard of, so it cannot be told whether it could lead.`];
  if (!target.alive) return [`${target.name} does not run.`];
  const candidates = outlookAt(courseNow(picture), picture.quorumSize).candidates;
  if (!target.sample?.quorumConnected || !candidates.includes(target.memberSlot))
    return [`${target.name} does not reach a quorum: it is cut off.`];
  return unaskable(picture, leader);
}

const FAR_BEHIND_SLOTS = 10_000;

function farBehind(picture: Picture, target: MemberPicture, leader: MemberPicture | undefined): string[] {
  const behind = (leader?.sample?.decidedUpTo ?? 0) - (target.sample?.decidedUpTo ?? 0);
  return behind > FAR_BEHIND_SLOTS && picture.leader
    ? [`${target.name} is ${behind.toLocaleString('en')} slots behind: writes wait until it has caught up.`]
    : [];
}

/** About two round trips between the two: bring the target up to date, and its phase 1. */
function transferMs(leader: MemberPicture | undefined, target: MemberPicture): number {
  const seen = leader?.sample?.peers.find((peer) => peer.memberSlot === target.memberSlot)?.roundTripMs ?? 1;
  return Math.ceil(2 * seen + 10);
}

/** Until a node that was ended is level again. */
function backMs(picture: Picture): number {
  return RESTART_MS + picture.situation.cluster.electionTimeoutMs;
}

function backSeconds(picture: Picture): number {
  return Math.ceil(backMs(picture) / 1000);
}

/** How long writes stop when this node goes: nothing for a follower, an election for the leader. */
function electionMs(picture: Picture, member: MemberPicture): number {
  if (picture.leader?.memberSlot !== member.memberSlot) return 0;
  const { electionTimeoutMs, heartbeatMs } = picture.situation.cluster;
  return electionTimeoutMs + heartbeatMs;
}

function leaderWarning(picture: Picture, member: MemberPicture, after: Course): string[] {
  if (picture.leader?.memberSlot !== member.memberSlot) return [];
  const candidates = outlookAt(after, picture.quorumSize).candidates;
  const names = picture.members.filter((one) => candidates.includes(one.memberSlot)).map((one) => one.name);
  if (names.length === 0) return [];
  return [
    `${member.name} leads. Writes stop for about ${electionMs(picture, member)} ms, until ${listed(names, 'or')} leads.`,
  ];
}

function goneFrom(course: Course, memberSlot: number): Course {
  return {
    ...course,
    alive: without(course.alive, memberSlot),
    unheard: without(course.unheard, memberSlot),
    leader: course.leader === memberSlot ? null : course.leader,
  };
}

function without(memberSlots: readonly number[], gone: number): number[] {
  return memberSlots.filter((one) => one !== gone);
}

function unaskable(picture: Picture, member: MemberPicture): string[] {
  const host = picture.situation.hosts.get(member.hostId);
  if (host?.agentConnected) return [];
  return [`${host?.name ?? member.hostId} cannot be asked now, so nothing can be done to ${member.name} on it.`];
}

function run(picture: Picture, member: MemberPicture, what: string): Draft['runs'] {
  return [{ host: picture.situation.hosts.get(member.hostId)?.name ?? member.hostId, what }];
}
