/**
 * The one sentence that an operator reads first: are writes going on, with what margin, and who is missing why. Nothing in
 * it ticks: figures that change by the second (a countdown, an age) stand in the view and are drawn there.
 */
import type { ClusterView } from '../../../contract/model.ts';
import { conditionOf, type MemberPicture, type Picture, writesPerSecondOf } from './picture.ts';
import { holdingFaults } from './situation.ts';
import { areOf, listed } from './wording.ts';

type Health = ClusterView['health'];

export function healthOf(picture: Picture): Health {
  const { members, quorumSize, situation } = picture;
  const heard = members.filter((member) => member.fresh).length;
  if (heard === 0) return nothingHeard(picture);
  const detail = [margin(picture), ...losses(picture)].join(' ');
  if (picture.leader !== null && picture.working.length >= quorumSize) {
    const whole = picture.working.length === members.length && holdingFaults(situation.faults).length === 0;
    return { level: whole ? 'ok' : 'warn', headline: writesHeadline(picture), detail };
  }
  const alive = members.filter((member) => member.alive === true).length;
  if (alive < quorumSize && picture.possiblyAlive.length >= quorumSize)
    return { level: 'unknown', headline: 'Whether writes go on is not known.', detail };
  if (picture.working.length >= quorumSize)
    return { level: 'bad', headline: 'Writes wait: no leader is agreed on.', detail };
  return { level: 'bad', headline: 'Writes have stopped.', detail };
}

function nothingHeard({ situation, members }: Picture): Health {
  const headline = { provisioning: 'Being set up.', destroying: 'Being removed.' }[
    situation.cluster.lifecycle as string
  ];
  const hosts = new Set(members.map((member) => member.hostId)).size;
  return {
    level: 'unknown',
    headline: headline ?? 'Nothing is known at this moment.',
    detail: `${hosts === 1 ? 'Its host has' : `None of its ${hosts} hosts has`} reported within the last seconds.`,
  };
}

function writesHeadline(picture: Picture): string {
  const idle = writesPerSecondOf(picture) === 0;
  return idle ? 'Ready for writes.' : 'Writes are going on.';
}

function margin({ working, members, quorumSize }: Picture): string {
  const spare = working.length - quorumSize;
  const quorum = `Quorum ${quorumSize} of ${members.length}`;
  if (spare < 0) return `${quorum}, ${working.length === 0 ? 'none' : `only ${working.length}`} left.`;
  return `${quorum}, tolerates ${spare}${working.length < members.length ? ' more' : ''}.`;
}

/** One sentence for each reason why members do not work. */
function losses(picture: Picture): string[] {
  const groups = new Map<string, MemberPicture[]>();
  for (const member of picture.members) {
    if (picture.working.includes(member.memberSlot)) continue;
    const reason = reasonOf(member, picture);
    groups.set(reason, [...(groups.get(reason) ?? []), member]);
  }
  const sentences = [...groups].map(([reason, members]) => {
    const names = members.map((member) => member.name);
    return `${listed(names)} ${reason.replace(/^are\b/, areOf(names)).replace(/^have\b/, names.length === 1 ? 'has' : 'have')}.`;
  });
  const unexplained = holdingFaults(picture.situation.faults).length > 0 && groups.size === 0;
  return unexplained ? [...sentences, 'An injected fault is active.'] : sentences;
}

/** The predicate of the sentence, in the plural. */
function reasonOf(member: MemberPicture, picture: Picture): string {
  switch (conditionOf(member, picture.leader)) {
    case 'stopped':
      return 'are stopped';
    case 'failed':
      return `have failed${member.service?.reason ? `: ${member.service.reason.replace(/\.$/, '')}` : ''}`;
    case 'starting':
      return 'are starting';
    case 'unknown':
      return member.observation === null ? 'have not been heard of yet' : 'are not heard of: unknown';
    case 'minority':
      return isCutByFault(member, picture) ? 'are cut off by an injected fault' : 'are cut off from the quorum';
    default:
      return picture.leader === null ? 'are electing' : 'do not follow the leader';
  }
}

function isCutByFault(member: MemberPicture, picture: Picture): boolean {
  const self = member.memberSlot;
  return picture.members.some((other) => other.memberSlot !== self && !picture.cut.bothWays(self, other.memberSlot));
}
