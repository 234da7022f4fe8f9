/** Cutting links and healing them. */
import type { Link } from '../../../../cluster-node/contract/fault.ts';
import type { Action, FaultView } from '../../../contract/model.ts';
import type { Draft } from './draft.ts';
import { CutLinks } from './links.ts';
import { type Course, courseNow, faultLinks, outlookAt, silentLinks } from './outlook.ts';
import type { MemberPicture, Picture } from './picture.ts';
import { holdingFaults, type Situation } from './situation.ts';
import { listed } from './wording.ts';

type FaultAction = Extract<Action, { kind: 'partition' | 'heal' | 'healAll' }>;

export function consequenceOfFault(picture: Picture, action: FaultAction): Draft {
  switch (action.kind) {
    case 'partition':
      return partition(picture, action.links, action.ttlMs);
    case 'heal':
      return heal(picture, action.faultId);
    case 'healAll':
      return healAll(picture);
  }
}

function partition(picture: Picture, links: readonly Link[], ttlMs: number): Draft {
  const now = courseNow(picture);
  const after: Course = { ...now, cut: [...now.cut, ...links] };
  const ends = picture.members.filter((one) => links.some(({ from, to }) => [from, to].includes(one.memberSlot)));
  const { holders, idle } = holdersOf(picture, ends);
  const seconds = Math.round(ttlMs / 1000);
  return {
    refusals: partitionRefusals(picture, links, holders),
    warnings: [
      ...leaderCutWarning(picture, after),
      ...unfollowedWarning(picture, after),
      ...idle.map(
        (one) =>
          `${one.name} ${whyIdle(picture.situation, one)} and cannot hold the fault; the other end of each link holds it.`,
      ),
    ],
    runs: holders.map((member) => ({
      host: hostOf(picture, member),
      what: `${member.name} arms its cure in ${seconds} s, then drops ${droppedAt(links, member.memberSlot, picture)}`,
    })),
    after,
    interruptionMs: leaderLosesQuorum(picture, after) ? electionMs(picture) : 0,
    quorumBackMs: null,
    undo: `Heal it. The nodes heal it by themselves after ${seconds} s, with or without this console.`,
    cutLinks: [...links],
  };
}

/** Which of a fault's ends can hold it: those that run and can be asked. */
export function holdersOf(
  picture: Picture,
  ends: readonly MemberPicture[],
): { holders: MemberPicture[]; idle: MemberPicture[] } {
  const holds = (member: MemberPicture) =>
    member.alive === true && picture.situation.hosts.get(member.hostId)?.agentConnected === true;
  return { holders: ends.filter(holds), idle: ends.filter((member) => !holds(member)) };
}

/** Why a member cannot hold a fault now, as what is said of it: "is stopped". */
export function whyIdle(situation: Situation, member: MemberPicture): string {
  if (member.service?.state === 'stopped') return 'is stopped';
  if (situation.hosts.get(member.hostId)?.agentConnected !== true) return 'cannot be asked';
  return member.fresh ? 'does not answer' : 'is not heard of';
}

function partitionRefusals(picture: Picture, links: readonly Link[], holders: readonly MemberPicture[]): string[] {
  const known = new Set(picture.members.map((member) => member.memberSlot));
  const strange = links.filter(({ from, to }) => !known.has(from) || !known.has(to));
  if (strange.length > 0) return [`There is no member ${strange.map(({ from, to }) => `${from} → ${to}`).join(', ')}.`];
  if (links.some(({ from, to }) => from === to)) return ['A node cannot be cut off from itself.'];
  const holding = new Set(holders.map((member) => member.memberSlot));
  const loose = links.filter(({ from, to }) => !holding.has(from) && !holding.has(to));
  if (loose.length === 0) return [];
  return [
    `Nobody could hold ${listed(loose.map(({ from, to }) => `${nameOf(picture, from)} → ${nameOf(picture, to)}`))}: neither end runs and can be asked.`,
  ];
}

function leaderLosesQuorum(picture: Picture, after: Course): boolean {
  const leader = picture.leader?.memberSlot;
  return leader !== undefined && !outlookAt(after, picture.quorumSize).candidates.includes(leader);
}

function leaderCutWarning(picture: Picture, after: Course): string[] {
  if (!leaderLosesQuorum(picture, after)) return [];
  const outlook = outlookAt(after, picture.quorumSize);
  const names = picture.members.filter((one) => outlook.candidates.includes(one.memberSlot)).map((one) => one.name);
  if (names.length === 0) return [];
  const leader = picture.members.find((member) => member.memberSlot === picture.leader?.memberSlot);
  return [
    `${leader?.name ?? 'The leader'} loses its quorum. Writes stop for about ${electionMs(picture)} ms, until ${listed(names, 'or')} leads.`,
  ];
}

/** Running members that will not work, by name. */
function unfollowedWarning(picture: Picture, after: Course): string[] {
  const outlook = outlookAt(after, picture.quorumSize);
  if (outlook.candidates.length === 0) return [];
  const idle = picture.members.filter(
    (member) => after.alive.includes(member.memberSlot) && !outlook.working.includes(member.memberSlot),
  );
  if (idle.length === 0 || outlook.leader === null) return [];
  return [
    `${listed(idle.map((member) => member.name))} fall behind until it heals.`.replace(/^(\S+) fall/, '$1 falls'),
  ];
}

function electionMs(picture: Picture): number {
  const { electionTimeoutMs, heartbeatMs } = picture.situation.cluster;
  return electionTimeoutMs + heartbeatMs;
}

function droppedAt(links: readonly Link[], self: number, picture: Picture): string {
  const names = (slots: number[]) => listed(slots.map((slot) => nameOf(picture, slot)));
  const out = links.filter((link) => link.from === self).map((link) => link.to);
  const into = links.filter((link) => link.to === self).map((link) => link.from);
  const parts = [
    ...(out.length > 0 ? [`what it sends to ${names(out)}`] : []),
    ...(into.length > 0 ? [`what it gets from ${names(into)}`] : []),
  ];
  return parts.join(' and ');
}

function nameOf(picture: Picture, slot: number): string {
  return picture.members.find((member) => member.memberSlot === slot)?.name ?? `member ${slot}`;
}

function heal(picture: Picture, faultId: string): Draft {
  const fault = picture.situation.faults.find((one) => one.faultId === faultId);
  const refusals = fault ? [] : [`There is no fault ${faultId} on ${picture.situation.cluster.name}.`];
  return healing(picture, { refusals, healed: fault ? [fault] : [], left: faultLinks(picture, faultId) });
}

function healAll(picture: Picture): Draft {
  return healing(picture, { refusals: [], healed: holdingFaults(picture.situation.faults), left: [] });
}

function healing(
  picture: Picture,
  at: { refusals: string[]; healed: readonly FaultView[]; left: readonly Link[] },
): Draft {
  const now = courseNow(picture);
  const explained = new CutLinks(at.healed.flatMap((fault) => fault.links));
  const silent = silentLinks(picture).filter((link) => !explained.cuts(link.from, link.to));
  const unaskable = picture.members.filter((member) => !picture.situation.hosts.get(member.hostId)?.agentConnected);
  return {
    refusals: at.refusals,
    warnings: unaskable.map((member) => `${member.name} cannot be asked now: it heals by itself at its deadline.`),
    runs: picture.members
      .filter((member) => !unaskable.includes(member))
      .map((member) => ({ host: hostOf(picture, member), what: `${member.name} ends the fault and proves it` })),
    after: { ...now, cut: [...at.left, ...silent] },
    interruptionMs: 0,
    quorumBackMs: electionMs(picture),
    undo: 'Inject it again.',
  };
}

function hostOf(picture: Picture, member: MemberPicture): string {
  return picture.situation.hosts.get(member.hostId)?.name ?? member.hostId;
}
