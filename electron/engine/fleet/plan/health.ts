/**
 * The one sentence that an operator reads first: are writes going on, with what margin, and who is missing why. Nothing in
 * it ticks: figures that change by the second (a countdown, an age) stand in the view and are drawn there.
 */
import type { ClusterView } from '../../../contract/model.ts';
import { conditionOf, isSilent, type MemberPicture, type Picture, writesPerSecondOf } from './picture.ts';
import { holdingFaults } from './situation.ts';
import { listed } from './wording.ts';

type Health = ClusterView['health'];

export function healthOf(picture: Picture): Health {
  const { members, quorumSize, situation } = picture;
  const heard = members.filter((member) => member.fresh).length;
  if (heard === 0) return nothingHeard(picture);
  const alarms = alarmsOf(picture);
  const detail = [margin(picture), ...losses(picture), ...alarms].join(' ');
  if (picture.leader !== null && picture.working.length >= quorumSize) {
    const whole = picture.working.length === picture.voters.length && holdingFaults(situation.faults).length === 0;
    return { level: whole && alarms.length === 0 ? 'ok' : 'warn', headline: writesHeadline(picture), detail };
  }
  const alive = members.filter((member) => member.alive === true && member.standing === 'voter').length;
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
  const rate = writesPerSecondOf(picture);
  if (rate === null) return 'Writes are possible.';
  return rate === 0 ? 'Ready for writes.' : 'Writes are going on.';
}

function margin({ working, voters, quorumSize }: Picture): string {
  const spare = working.length - quorumSize;
  const need = `writes need ${quorumSize}`;
  const nodes = `of ${voters.length} ${voters.length === 1 ? 'node' : 'nodes'}`;
  if (working.length === 0) return `None ${nodes} works, ${need}.`;
  const verb = working.length === 1 ? 'works' : 'work';
  if (spare < 0) return `Only ${working.length} ${nodes} ${verb}, ${need}.`;
  return `${working.length} ${nodes} ${verb}, ${need}; tolerates ${spare}${working.length < voters.length ? ' more' : ''}.`;
}

/** One sentence for each reason why members do not work. */
function losses(picture: Picture): string[] {
  const groups = new Map<string, { reason: Reason; names: string[] }>();
  for (const member of picture.members) {
    const works = picture.working.includes(member.memberSlot) && member.sample?.quorumConnected;
    if (works || member.standing !== 'voter') continue;
    const reason = reasonOf(member, picture);
    const group = groups.get(reason.many) ?? { reason, names: [] };
    group.names.push(member.name);
    groups.set(reason.many, group);
  }
  const sentences = [...groups.values()].map(
    ({ reason, names }) => `${listed(names)} ${names.length === 1 ? reason.one : reason.many}.`,
  );
  const isUnseen = holdingFaults(picture.situation.faults).length > 0 && groups.size === 0;
  return isUnseen ? ['An injected fault is active.'] : sentences;
}

/** What nodes say is wrong with themselves or with others, in their words. */
function alarmsOf({ members }: Picture): string[] {
  return members.flatMap(({ name, fresh, sample }) =>
    fresh && sample !== null ? sample.alarms.map((alarm) => `${name}: ${alarm.replace(/\.$/, '')}.`) : [],
  );
}

/** A predicate in the singular and in the plural. */
interface Reason {
  readonly one: string;
  readonly many: string;
}

const be = (what: string): Reason => ({ one: `is ${what}`, many: `are ${what}` });

function reasonOf(member: MemberPicture, picture: Picture): Reason {
  if (isSilent(member)) return { one: 'runs but does not answer', many: 'run but do not answer' };
  switch (conditionOf(member, picture.leader)) {
    case 'stopped':
      return be('stopped');
    case 'failed':
      return failedFor(member.service?.reason ?? null);
    case 'starting':
      return startingFor(member.service);
    case 'unknown':
      return member.observation === null
        ? { one: 'has not been heard of yet', many: 'have not been heard of yet' }
        : be('not heard of: unknown');
    case 'minority':
      return reasonOfMinority(member, picture);
    default:
      return picture.leader === null
        ? { one: 'takes part in an election', many: 'take part in an election' }
        : { one: 'does not follow the leader', many: 'do not follow the leader' };
  }
}

function failedFor(reason: string | null): Reason {
  const why = reason ? `: ${reason.replace(/\.$/, '')}` : '';
  return { one: `has failed${why}`, many: `have failed${why}` };
}

function startingFor(service: MemberPicture['service']): Reason {
  if (service?.state !== 'restarting' || service.reason === null) return be('starting');
  return be(`being started again: ${service.reason.replace(/\.$/, '')}`);
}

function reasonOfMinority(member: MemberPicture, picture: Picture): Reason {
  if (isCutByFault(member, picture)) return be('cut off by an injected fault');
  const alive = picture.members.filter((one) => one.alive === true && one.standing === 'voter').length;
  return alive >= picture.quorumSize
    ? be('cut off from the quorum')
    : { one: 'waits for a quorum', many: 'wait for a quorum' };
}

function isCutByFault(member: MemberPicture, picture: Picture): boolean {
  const self = member.memberSlot;
  return picture.members.some((other) => other.memberSlot !== self && !picture.cut.bothWays(self, other.memberSlot));
}
