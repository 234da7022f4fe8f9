/**
 * What an action would do, told before it is done and computed again when it runs. A consequence is pure arithmetic over the
 * situation: which voters would still run, which links would be cut, and from that who can lead, who works, and how long
 * writes stop. Refused is what cannot be done or makes no sense; what is dangerous but possible is said loudly instead,
 * since breaking a cluster on purpose is one of the things that Synod is for. What is there already is no refusal: there is
 * nothing to do, and that is said.
 */
import type { Action, Consequence } from '../../../contract/model.ts';
import { alreadyThere } from './already.ts';
import type { Draft } from './draft.ts';
import { consequenceOfFault } from './fault-consequence.ts';
import { consequenceOfNodeAction } from './node-consequence.ts';
import { courseNow, outlookAt, quorumOutlook } from './outlook.ts';
import { type Picture, pictureOf } from './picture.ts';
import type { Situation } from './situation.ts';
import { listed } from './wording.ts';

export function consequenceOf(situation: Situation, action: Action): Consequence {
  const picture = pictureOf(situation);
  return completed(picture, draftOf(picture, action));
}

function draftOf(picture: Picture, action: Action): Draft {
  const already = alreadyThere(picture, action);
  if (already !== null) return nothingToDo(picture, already);
  switch (action.kind) {
    case 'nodeStart':
    case 'nodeStop':
    case 'nodeRestart':
    case 'nodeKill':
    case 'failover':
      return consequenceOfNodeAction(picture, action);
    case 'partition':
    case 'heal':
    case 'healAll':
      return consequenceOfFault(picture, action);
    case 'clusterDestroy':
      return destruction(picture, action.confirmName);
  }
}

function nothingToDo(picture: Picture, already: string): Draft {
  const after = courseNow(picture);
  return { refusals: [], warnings: [already], runs: [], after, interruptionMs: 0, quorumBackMs: null, undo: null };
}

function completed(picture: Picture, draft: Draft): Consequence {
  const before = quorumOutlook(courseNow(picture), picture);
  const after = quorumOutlook(draft.after, picture);
  const outlook = outlookAt(draft.after, picture.quorumSize);
  const predicted = picture.members.find((member) => member.memberSlot === outlook.leader);
  const unheard = picture.members.filter((member) => member.alive === null).map((member) => member.name);
  const warnings = [...draft.warnings];
  if (before.writable !== false && after.writable !== true) warnings.unshift(quorumLoss(after));
  else if (after.writable && after.tolerates === 0 && before.tolerates > 0)
    warnings.push(`${draft.quorumBackMs === null ? 'Afterwards' : 'Until then'} no further failure is tolerated.`);
  if (unheard.length > 0)
    warnings.push(
      `${listed(unheard)} ${unheard.length === 1 ? 'is' : 'are'} not heard of; the figures count on the others only.`,
    );
  return {
    refusals: [...draft.refusals],
    warnings,
    runs: draft.runs,
    before,
    after,
    predictedLeader: predicted?.nodeId ?? null,
    expectedUnavailabilityMs: after.writable === true ? draft.interruptionMs : draft.quorumBackMs,
    undo: draft.undo,
    cutLinks: draft.cutLinks ?? [],
  };
}

function quorumLoss(after: Consequence['after']): string {
  const working = `${after.working} of ${after.voters} voters would work together, ${after.size} are needed.`;
  return after.writable === null ? `Writes may stop: ${working}` : `Writes stop: ${working}`;
}

function destruction(picture: Picture, confirmName: string): Draft {
  const { cluster, hosts } = picture.situation;
  const unreachable = picture.members.filter((member) => !hosts.get(member.hostId)?.agentConnected);
  const keys = Math.max(0, ...picture.members.map((member) => member.observation?.sample?.keys ?? 0));
  return {
    refusals:
      confirmName === cluster.name
        ? []
        : [`Type the cluster's name, ${cluster.name}, to confirm: its data is deleted.`],
    warnings: [
      `The data of ${cluster.name} is deleted on every node${keys > 0 ? ` (${keys} keys)` : ''}.`,
      ...unreachable.map((member) => `${member.name} cannot be asked now: what it has on its host stays there.`),
    ],
    runs: picture.members.flatMap((member) => {
      const host = hosts.get(member.hostId)?.name ?? member.hostId;
      return [
        { host, what: `stop ${member.name} and delete ~/.synod/nodes/${member.nodeId}` },
        { host, what: 'remove the programs (runtime, release) in ~/.synod that no other node there uses' },
        { host, what: 'look again that nothing of it is left' },
      ];
    }),
    after: { alive: [], unheard: [], cut: [], leader: null },
    interruptionMs: 0,
    quorumBackMs: null,
    undo: null,
  };
}
