/** What a change of members would do to the quorum, by what is observed now, and why it may not be done. Pure. */
import { majorityOf } from '../../../../cluster-node/contract/configuration.ts';
import type { MembersChange, MembersPreview, QuorumAt } from '../../../contract/members.ts';
import type { Picture } from '../../fleet/plan/picture.ts';
import { listed } from '../../fleet/plan/wording.ts';
import type { StoredMember } from '../../fleet/records.ts';

export interface PreviewInput {
  readonly change: MembersChange;
  readonly picture: Picture;
  /** Whom it is about: who goes or moves; null: only a new one comes. */
  readonly member: StoredMember | null;
  /** Names of the hosts on which a node comes, and on which one goes or moves; null: there is none. */
  readonly hosts: { readonly coming: string | null; readonly present: string | null };
  /** What the host of the new node says against it. */
  readonly unfit: readonly string[];
}

export function previewOf(input: PreviewInput): MembersPreview {
  const quorums = quorumsOf(input);
  const worst = Math.min(...quorums.map(({ tolerates }) => tolerates));
  const isMove = input.change.kind === 'move';
  return {
    title: titleOf(input),
    refusals: [...input.unfit, ...refusalsOf(input, quorums)],
    warnings: warningsOf(input, quorums),
    runs: runsOf(input),
    quorums,
    stopsWrites: isMove && worst < 0,
  };
}

export function titleOf({
  change,
  picture,
  member,
  hosts,
}: Pick<PreviewInput, 'change' | 'picture' | 'member' | 'hosts'>) {
  const { name } = picture.situation.cluster;
  const who = member?.name ?? 'a node';
  switch (change.kind) {
    case 'add':
      return `Add a node on ${hosts.coming} to ${name}`;
    case 'remove':
      return `Remove ${who} from ${name}`;
    case 'replace':
      return `Replace ${who} of ${name} by a node on ${hosts.coming}`;
    case 'move':
      return `Move the data of ${who} of ${name}`;
  }
}

function quorumsOf({ change, picture, member }: PreviewInput): QuorumAt[] {
  const voters = picture.voters.length;
  const working = picture.working.length;
  const votes = member !== null && !member.isLeaving && picture.voters.includes(member.memberSlot) ? 1 : 0;
  const works = member !== null && picture.working.includes(member.memberSlot) ? 1 : 0;
  const at = (when: QuorumAt['when'], counts: { voters: number; working: number }): QuorumAt => {
    const size = majorityOf(counts.voters);
    return { when, ...counts, size, tolerates: counts.working - size };
  };
  const now = at('now', { voters, working });
  const without = { voters: voters - votes, working: working - works };
  const more = { voters: without.voters + 1, working: without.working + 1 };
  switch (change.kind) {
    case 'add':
      return [now, at('after', { voters: voters + 1, working: working + 1 })];
    case 'remove':
      return [now, at('after', without)];
    case 'replace':
      return [now, at('during', without), at('after', more)];
    case 'move':
      return [
        now,
        at('during', { voters, working: working - works }),
        at('after', { voters, working: working - works + votes }),
      ];
  }
}

function refusalsOf({ change, picture, member }: PreviewInput, quorums: readonly QuorumAt[]): string[] {
  if (change.kind === 'move') return [];
  const { name } = picture.situation.cluster;
  const [now, ...later] = quorums;
  if (now === undefined || now.tolerates < 0)
    return [`${name} has no quorum now, and only a quorum can change its members. Bring nodes back first.`];
  if (later.some(({ voters }) => voters === 0))
    return [`${member?.name} is the last voter; destroy the cluster instead.`];
  const short = later.find(({ tolerates }) => tolerates < 0);
  if (short === undefined) return [];
  const away = picture.members.filter(
    (one) => one.standing === 'voter' && one.nodeId !== member?.nodeId && !picture.working.includes(one.memberSlot),
  );
  const who = away.length > 0 ? `: ${listed(away.map((one) => one.name))} ${away.length === 1 ? 'is' : 'are'} out` : '';
  return [
    `It would leave ${short.working} of ${short.voters} voters working, and ${short.size} are needed${who}. Bring nodes back first.`,
  ];
}

function warningsOf({ change, picture, member }: PreviewInput, quorums: readonly QuorumAt[]): string[] {
  const [now] = quorums;
  const during = quorums.find(({ when }) => when === 'during');
  const after = quorums.find(({ when }) => when === 'after');
  const warnings: string[] = [];
  if (during && during.tolerates < 0)
    warnings.push(
      `Writes stop while ${member?.name} is down: ${during.working} of ${during.voters} voters would work.`,
    );
  else if (during && during.tolerates === 0) warnings.push('On the way no failure is tolerated.');
  if (after && now && after.tolerates < now.tolerates)
    warnings.push(
      `Afterwards ${after.tolerates === 0 ? 'no failure is' : `${after.tolerates} failures are`} tolerated.`,
    );
  if (after && after.voters % 2 === 0 && change.kind !== 'move')
    warnings.push(`${after.voters} voters tolerate no more failures than ${after.voters - 1} do; use an odd number.`);
  const unheard = picture.members.filter((one) => one.alive === null && one.nodeId !== member?.nodeId);
  if (unheard.length > 0)
    warnings.push(`${listed(unheard.map((one) => one.name))} ${unheard.length === 1 ? 'is' : 'are'} not heard of now.`);
  return warnings;
}

function runsOf({ change, member, hosts }: PreviewInput): string[] {
  const { coming, present } = hosts;
  const come = [
    `${coming}: put runtime, program, configuration and certificates of a new node there`,
    'take it into the configuration as a learner, which does not vote',
    `${coming}: start it, and wait until it has caught up`,
  ];
  const go = [`hand leadership over if ${member?.name} leads`, `take ${member?.name} out of the configuration`];
  const clean = [`${present}: stop ${member?.name} and delete it with its data, if the host is within reach`];
  const see = ['see a leader with a quorum, and a write that every working node reads'];
  switch (change.kind) {
    case 'add':
      return [...come, 'make it a voter', ...see];
    case 'remove':
      return [...go, ...see, ...clean];
    case 'replace':
      return [...come, ...go, 'make the new one a voter', ...see, ...clean];
    case 'move':
      return [
        `${present}: see that there is room`,
        `hand leadership over if ${member?.name} leads`,
        `${present}: stop ${member?.name}, copy its data and compare the copy by SHA-256`,
        `${present}: start it on the copy, and wait until it is level`,
        `${present}: delete the old copy`,
        ...see,
      ];
  }
}
