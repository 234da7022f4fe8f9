/** Protocol events in words, for the log and the console's timeline. */
import type { NodeEvent } from '../contract/admin.ts';
import { ballotMemberSlot, formatBallot, type MemberSlot } from '../contract/ballot.ts';
import type { CoreEvent } from '../paxos/interface.ts';

const stepDownReasons = {
  noQuorum: 'it does not hear a quorum any more',
  higherBallot: 'it saw a higher ballot',
  transfer: 'it handed leadership over',
  reconfigured: 'its configuration has ended',
} as const;

const electionReasons = {
  noLeader: 'it knows of no working leader',
  transfer: 'leadership is being handed to it',
  reconfigured: 'it led the configuration before',
} as const;

const changeTexts = {
  addLearner: 'add a learner',
  promote: 'make a learner a voter',
  remove: 'remove a member',
  setQuorums: 'change the quorums',
} as const;

const healthTexts = { slowDisk: 'its disk is slow', slowLoop: 'its event loop is late', diskFull: 'its disk is full' };

/** `nameOf` gives a member's name for people. */
export function nodeEventOf(
  event: CoreEvent,
  nameOf: (member: MemberSlot) => string,
): Omit<NodeEvent, 'sequence' | 'atUnixMs'> {
  switch (event.kind) {
    case 'electionStarted': {
      const why = electionReasons[event.reason];
      return { ...about(event), text: `started an election with ballot ${formatBallot(event.ballot)}: ${why}` };
    }
    case 'becameLeader':
      return { ...about(event), text: `leads under ballot ${formatBallot(event.ballot)} from slot ${event.fromSlot}` };
    case 'steppedDown':
      return {
        ...about(event),
        text: `stepped down from ballot ${formatBallot(event.ballot)}: ${stepDownReasons[event.reason]}`,
      };
    case 'leaderChanged': {
      const { kind, ballot, leader } = event;
      const text =
        leader === 0
          ? 'believes in no leader'
          : `believes ${nameOf(leader)} leads under ballot ${formatBallot(ballot)}`;
      return { kind, ballot, memberSlot: leader, text };
    }
    case 'transferFailed':
      return {
        kind: event.kind,
        ballot: null,
        memberSlot: event.target,
        text: `could not hand leadership to ${nameOf(event.target)}: ${event.reason}`,
      };
    case 'configurationChanged': {
      const { configId, members } = event.configuration;
      const names = members.map(({ name, role }) => (role === 'learner' ? `${name} (learner)` : name)).join(', ');
      const text = `configuration ${configId} is in force from slot ${event.slot + 1}: ${names}`;
      return { kind: event.kind, ballot: null, memberSlot: null, text };
    }
    case 'reconfigureRefused': {
      const text = `did not ${changeTexts[event.change.kind]}: ${event.reason}`;
      return { kind: event.kind, ballot: null, memberSlot: null, text };
    }
    case 'handingOver': {
      const text = `hands leadership to ${nameOf(event.target)}: ${healthTexts[event.reason]}`;
      return { kind: event.kind, ballot: null, memberSlot: event.target, text };
    }
    case 'absurdPromise':
      return {
        kind: 'alarm',
        ballot: null,
        memberSlot: event.from,
        text:
          `the promise of ${nameOf(event.from)} was dropped: it names slot ${event.slot}, far above all others that it has. ` +
          'Inspect its data folder; if this goes on, replace the node',
      };
    case 'digestMismatch':
      return {
        kind: 'alarm',
        ballot: null,
        memberSlot: event.from,
        text: `the value of slot ${event.slot} came damaged from ${nameOf(event.from)} and was dropped`,
      };
  }
}

function about<K extends CoreEvent['kind']>({ kind, ballot }: { readonly kind: K; readonly ballot: number }) {
  return { kind, ballot, memberSlot: ballotMemberSlot(ballot) };
}
