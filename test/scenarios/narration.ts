/** What nodes say, write and do, in a few words each. */
import { formatBallot } from '../../cluster-node/contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  isConfigurationValue,
} from '../../cluster-node/contract/configuration.ts';
import type { Entry, FaultySlot, PeerMessage, Promise } from '../../cluster-node/contract/peer.ts';
import type { CoreEvent, CoreStatus, DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';

const decoder = new TextDecoder();

export function textOf(value: Uint8Array): string {
  return decoder.decode(value);
}

function valueWords(value: Uint8Array): string {
  if (value.length === 0) return 'no-op';
  if (isConfigurationValue(value)) return `STOP (configuration ${decodeConfiguration(value).configId} follows)`;
  return `"${textOf(value)}"`;
}

function configurationWords({ configId, members }: Configuration): string {
  const of = (role: string) => members.filter((member) => member.role === role).map(({ memberSlot }) => memberSlot);
  const learners = of('learner');
  const others = learners.length === 0 ? '' : `, learner ${learners.join(' ')}`;
  return `configuration ${configId}: voters ${of('voter').join(' ')}${others}`;
}

export function entryWords({ slot, value }: Entry): string {
  return `slot ${slot} ${valueWords(value)}`;
}

function acceptedWords(entry: Entry): string {
  return `${entryWords(entry)} under ${formatBallot(entry.ballot)}`;
}

function faultyWords(faulty: readonly FaultySlot[]): string[] {
  return faulty.map(
    ({ slot, ballot }) => `slot ${slot} LOST${ballot === null ? '' : ` (under ${formatBallot(ballot)} at most)`}`,
  );
}

export function recordWords(record: DurableRecord): string {
  switch (record.kind) {
    case 'promised':
      return `promise ${formatBallot(record.ballot)}`;
    case 'accepted':
      return acceptedWords(record.entry);
    case 'decided':
      return `decided ${record.upTo}`;
  }
}

export function recoveredWords({ promised, decidedUpTo, accepted, faulty }: RecoveredState): string {
  const parts = [`promised ${formatBallot(promised)}`, `decided ${decidedUpTo}`];
  return [...parts, ...accepted.map(acceptedWords), ...faultyWords(faulty)].join(', ');
}

/** Told only on demand: they come all the time. */
export function isHeartbeat({ kind }: PeerMessage): boolean {
  return kind === 'heartbeat' || kind === 'heartbeatReply';
}

export function messageWords(message: PeerMessage): string {
  switch (message.kind) {
    case 'prepare': {
      const released = message.leaseReleased === 0 ? '' : `, after ${formatBallot(message.leaseReleased)} handed over`;
      return `prepare ${formatBallot(message.ballot)} from slot ${message.fromSlot}${released}`;
    }
    case 'promise':
      return `promise ${formatBallot(message.ballot)}: ${reportWords(message)}`;
    case 'accept': {
      const decided = `decided ${message.decidedUpTo}`;
      if (message.entries.length === 0) return `notice ${formatBallot(message.ballot)}: ${decided}`;
      return `accept ${formatBallot(message.ballot)}: ${message.entries.map(entryWords).join(', ')}; ${decided}`;
    }
    case 'accepted':
      return `accepted ${formatBallot(message.ballot)} up to ${message.durableUpTo}`;
    case 'nack':
      return `nack ${formatBallot(message.ballot)}: promised ${formatBallot(message.promised)}, configuration ${message.configId}`;
    case 'heartbeat': {
      const leader = message.believedLeader === 0 ? 'no leader' : `content with ${message.believedLeader}`;
      return `heartbeat ${message.sequence}: ${leader}, promised ${formatBallot(message.promised)}`;
    }
    case 'heartbeatReply': {
      const confirms = message.confirms ? ', confirms' : '';
      const vows = message.leaseGrantedMs > 0 ? `, vows ${message.leaseGrantedMs} ms` : '';
      return `reply ${message.sequence}: promised ${formatBallot(message.promised)}${confirms}${vows}`;
    }
    case 'catchUpRequest':
      return `what is decided from slot ${message.fromSlot} on?`;
    case 'catchUpEntries':
      return `decided: ${catchUpWords(message)}`;
    case 'forward':
      return `forward ${valueWords(message.value)}${message.hops === 0 ? '' : `, hop ${message.hops}`}`;
    case 'forwardRefused':
      return `forward refused: ${message.reason}`;
    case 'readIndexRequest':
      return `which slot must a read see?${message.hops === 0 ? '' : ` hop ${message.hops}`}`;
    case 'readIndexReply':
      return message.readSlot === null ? 'read: not the leader' : `read: slot ${message.readSlot}`;
    case 'transferLeadership':
      return `take over from ${formatBallot(message.ballot)}`;
  }
}

function reportWords({ entries, faulty, decidedUpTo, last, page }: Promise): string {
  const parts = [...entries.map(acceptedWords), ...faultyWords(faulty)];
  const report = parts.length === 0 ? 'accepted nothing' : parts.join(', ');
  const paged = last && page === 0 ? '' : `, page ${page}${last ? ' is the last' : ''}`;
  return `${report}; decided ${decidedUpTo}${paged}`;
}

function catchUpWords({ entries, snapshotSlot }: Extract<PeerMessage, { kind: 'catchUpEntries' }>): string {
  if (snapshotSlot > 0) return `only a snapshot of everything up to slot ${snapshotSlot}`;
  return entries.length === 0 ? 'none to give' : entries.map(entryWords).join(', ');
}

const STEP_DOWN = {
  noQuorum: 'it reaches no quorum',
  higherBallot: 'there is a higher ballot',
  transfer: 'it handed over',
  reconfigured: 'its configuration has ended',
} as const;
const ELECTION = {
  noLeader: 'there is no leader',
  transfer: 'it was asked to take over',
  reconfigured: 'a new configuration begins',
} as const;
const HAND_OVER = { slowDisk: 'its disk is slow', slowLoop: 'its loop is slow', diskFull: 'its disk is full' } as const;

export function eventWords(event: CoreEvent): string {
  switch (event.kind) {
    case 'electionStarted':
      return `stands for election with ${formatBallot(event.ballot)}: ${ELECTION[event.reason]}`;
    case 'becameLeader':
      return `LEADS under ${formatBallot(event.ballot)} from slot ${event.fromSlot} on`;
    case 'steppedDown':
      return `STEPS DOWN from ${formatBallot(event.ballot)}: ${STEP_DOWN[event.reason]}`;
    case 'leaderChanged':
      return `follows ${event.leader} under ${formatBallot(event.ballot)}`;
    case 'transferFailed':
      return `does not hand over to ${event.target}: ${event.reason}`;
    case 'configurationChanged':
      return `enters ${configurationWords(event.configuration)}`;
    case 'reconfigureRefused':
      return `refuses to change the members: ${event.reason}`;
    case 'handingOver':
      return `hands over to ${event.target}: ${HAND_OVER[event.reason]}`;
    case 'absurdPromise':
      return `drops a promise of ${event.from} that reaches to slot ${event.slot}`;
    case 'digestMismatch':
      return `drops a broken value of slot ${event.slot} from ${event.from}`;
  }
}

export function statusWords(status: CoreStatus): string {
  const { role, believedLeader, promised, decidedUpTo, acceptedUpTo, configuration, faultySlots, behind } = status;
  const leader = role === 'follower' ? (believedLeader === 0 ? 'follows nobody' : `follows ${believedLeader}`) : role;
  const parts = [leader, `promised ${formatBallot(promised)}`, `decided ${decidedUpTo}`];
  if (acceptedUpTo > decidedUpTo) parts.push(`accepted ${acceptedUpTo}`);
  if (configuration.configId > 1) parts.push(`configuration ${configuration.configId}`);
  if (faultySlots > 0) parts.push(`${faultySlots} slot(s) lost`);
  return [...parts, ...(behind === null ? [] : [behind])].join(', ');
}
