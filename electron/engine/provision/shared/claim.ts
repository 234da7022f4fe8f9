/**
 * One operation's claim on a cluster: the lock on its hosts from before the first change until after the last, and the record, which
 * says at the start that the operation is going on and at the end what came of it.
 */
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { StoredCluster } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import type { OperationRun } from '../../operations/operations.ts';
import type { CommandLog } from '../apply/command-log.ts';
import { digestOf, type RecordedOperation, recordOf, signRecord } from './cluster-record.ts';
import { type AskOptions, HostLocks } from './host-locks.ts';
import { fenceLines, recordScript, type TruthPlace } from './host-scripts.ts';
import { askHost, type HostAnswer, type TruthHost } from './host-truth.ts';
import { type Judging, refuseOthersRecords, type SeenOn } from './judge.ts';
import { lockLines } from './lock-file.ts';
import { hostsOf, judgingOf, lookAtTruth, seenIn, type TruthParts } from './look-at-truth.ts';
import { consoleIdOf, holderOf, loginHere } from './this-console.ts';

export interface ClaimRequest {
  readonly cluster: StoredCluster;
  readonly kind: string;
  readonly title: string;
  /** `majority`: of the members' hosts must give their lock. `reachable`: what can be reached, for taking a cluster down. */
  readonly needs: 'majority' | 'reachable';
}

/** Longest that the record of a failed operation may take. */
const FAILURE_WITHIN_MS = 10_000;
const WHOLE = { hostId: null, host: null };

export class Claim {
  /** As the operation's own, and it aborts when the lock is lost. */
  readonly run: OperationRun;
  readonly #parts: TruthParts;
  readonly #request: ClaimRequest;
  readonly #log: CommandLog;
  readonly #startedAtUnixMs: number;
  readonly #locks: HostLocks;
  readonly #lost = new AbortController();
  #loss: FailureError | null = null;
  #state: 'free' | 'taken' | 'recorded' = 'free';

  constructor(parts: TruthParts, request: ClaimRequest, at: { run: OperationRun; log: CommandLog }) {
    this.#parts = parts;
    this.#request = request;
    this.#log = at.log;
    this.#startedAtUnixMs = parts.clock();
    this.run = { ...at.run, signal: AbortSignal.any([at.run.signal, this.#lost.signal]) };
    this.#locks = new HostLocks({
      store: parts.store,
      log: parts.log,
      lock: { lines: this.#lockLines(), ttlSeconds: parts.lockSeconds },
      ask: (host, what, script, options) => this.#ask(host, what, script, options),
      mayVanish: this.#mayVanish,
      onLost: (failure) => {
        this.#loss ??= failure;
        this.#lost.abort();
      },
    });
  }

  get #mayVanish(): boolean {
    return this.#request.needs === 'reachable';
  }

  /** Why the operation could not go on; null: it was not kept from it. */
  get loss(): FailureError | null {
    return this.#loss;
  }

  #lockLines(): string {
    const { store, lockSeconds } = this.#parts;
    const { operationId } = this.run;
    const owner = {
      who: loginHere(),
      consoleId: consoleIdOf(store),
      operationId,
      title: this.#request.title,
      sinceUnixMs: this.#startedAtUnixMs,
    };
    return lockLines({ ttlSeconds: lockSeconds, holder: holderOf(store), token: operationId, owner });
  }

  /** For scripts that change a host. */
  readonly fence = (place: HostPlace): string => this.#fence(place, this.#mayVanish);

  /** For scripts that take a node off its host, and the lock with it. */
  readonly fenceOfLeaving = (place: HostPlace): string => this.#fence(place, true);

  #fence(place: HostPlace, mayVanish: boolean): string {
    const { clusterId } = this.#request.cluster;
    return fenceLines({ place, clusterId, token: this.run.operationId }, { mayVanish });
  }

  /** As `lookAtTruth`. */
  look(): Promise<boolean> {
    return lookAtTruth(this.#parts, this.#request.cluster, { signal: this.run.signal, log: this.#log });
  }

  /**
   * Takes the lock, and writes down that the operation is going on. Throws FailureError `lockedByOther`, `behind`, `recordNotOurs`,
   * `noMajority`; then nothing was changed.
   */
  async take(): Promise<void> {
    if (this.#state !== 'free') return;
    await this.run.step({ ...WHOLE, step: 'Lock' }, async () => {
      this.#state = 'taken';
      const hosts = this.#hosts();
      const { said, unreached } = await this.#locks.take(hosts);
      refuseOthersRecords(said, await this.#judging());
      const lasting = new Set(hosts.filter(({ member }) => !member.isLeaving).map(({ host }) => host.name));
      const held = said.filter(({ host }) => lasting.has(host)).length;
      if (this.#request.needs === 'majority' && held <= lasting.size / 2)
        throw this.#noMajority(lasting.size, held, unreached);
      await this.#write('inProgress', null);
      this.#state = 'recorded';
      const over = said.filter(({ truth }) => truth.lock === 'expired').map(sayTakenOver);
      const away = unreached.map((one) => `not on ${one}`);
      return {
        state: 'succeeded',
        detail: [`on ${said.length} of ${hosts.length} hosts`, ...away, ...over].join('; '),
      };
    });
  }

  #noMajority(all: number, held: number, unreached: readonly string[]): FailureError {
    const { name } = this.#request.cluster;
    return new FailureError({
      kind: 'noMajority',
      message: `${held} of the ${all} hosts of ${name} can be locked, which is no majority: another console might work with the others. Not reached: ${unreached.join('; ')}. Nothing was changed.`,
      nextStep: 'Bring hosts back within reach, then run this again.',
    });
  }

  /** The record of a good end, seen to be written; then the lock goes. Throws FailureError `notRecorded`, `behind`. */
  async succeed(outcome: string): Promise<void> {
    if (this.#state === 'free') return;
    const members = this.#hosts().filter(({ member }) => !member.isLeaving).length;
    if (members > 0) await this.run.step({ ...WHOLE, step: 'Record' }, () => this.#recordEnd(outcome, members));
    this.#state = 'free';
    await this.#locks.release();
  }

  async #recordEnd(outcome: string, members: number) {
    const { pair } = await this.#parts.authorityOf(this.#request.cluster.clusterId);
    if (pair === null)
      return { state: 'skipped', detail: 'not written: this console does not have the key that signs it' } as const;
    const written = await this.#write('succeeded', outcome);
    if (written > members / 2) return { state: 'succeeded', detail: `on ${written} of ${members} hosts` } as const;
    throw new FailureError({
      kind: 'notRecorded',
      message: `All was done, but its record was written on ${written} of ${members} hosts only: other consoles may not learn of it.`,
      nextStep: 'Bring the hosts back within reach, then run this again: it writes the record.',
    });
  }

  /** After a failure: what can be recorded is, and the lock goes. Never throws. */
  async fail(reason: string): Promise<void> {
    const { log } = this.#parts;
    if (this.#state === 'free') return;
    try {
      const signal = AbortSignal.timeout(FAILURE_WITHIN_MS);
      if (this.#state === 'recorded' && this.#loss === null) await this.#write('failed', reason, signal);
    } catch (error) {
      log.warn({ err: error }, 'that the operation failed was not recorded');
    }
    await this.#locks.release();
  }

  /** Where this console can sign. Returns on how many hosts of lasting members it is now. Throws FailureError `behind` where another was quicker. */
  async #write(result: RecordedOperation['result'], outcome: string | null, signal?: AbortSignal): Promise<number> {
    const { known, store, authorityOf } = this.#parts;
    const { clusterId } = this.#request.cluster;
    const { pair } = await authorityOf(clusterId);
    const cluster = store.getCluster(clusterId);
    const members = this.#hosts();
    if (pair === null || cluster === null || members.length === 0) return 0;
    const sequence = (known.get(clusterId)?.sequence ?? 0) + 1;
    const record = recordOf({ cluster, members, sequence, lastOperation: this.#operation(result, outcome) });
    const text = signRecord(record, pair);
    // Its number is used up whatever becomes of it: no two records of one console bear the same.
    known.put(clusterId, { sequence, digest: digestOf(text) });
    const script = (place: TruthPlace) => recordScript(place, { text, sequence });
    const answers = await Promise.allSettled(
      this.#locks.held.map(async ({ at, made }) => {
        const answer = await this.#ask(at, 'write the record', script, signal ? { signal } : {});
        for (const path of answer.made) made.add(path);
        return { isWritten: answer.done === 'written' && !at.member.isLeaving, seen: seenIn(at, answer) };
      }),
    );
    const heard = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    refuseOthersRecords(
      heard.flatMap(({ seen }) => seen),
      await this.#judging(),
    );
    return heard.filter(({ isWritten }) => isWritten).length;
  }

  #operation(result: RecordedOperation['result'], outcome: string | null): RecordedOperation {
    const { store, clock } = this.#parts;
    const { kind, title } = this.#request;
    return {
      operationId: this.run.operationId,
      kind,
      title,
      who: loginHere(),
      consoleId: consoleIdOf(store),
      startedAtUnixMs: this.#startedAtUnixMs,
      endedAtUnixMs: result === 'inProgress' ? null : clock(),
      result,
      outcome,
    };
  }

  #hosts(): TruthHost[] {
    return hostsOf(this.#parts, this.#request.cluster);
  }

  #judging(): Promise<Judging> {
    return judgingOf(this.#parts, this.#request.cluster);
  }

  #ask(
    at: TruthHost,
    what: string,
    script: (place: TruthPlace) => string,
    { signal = this.run.signal, isLogged = true }: AskOptions = {},
  ): Promise<HostAnswer> {
    const log = isLogged ? this.#log : null;
    const token = this.run.operationId;
    return askHost(this.#parts, at, { what, script, holder: holderOf(this.#parts.store), token, signal, log });
  }
}

function sayTakenOver({ host, truth }: SeenOn): string {
  const by = truth.owner === null ? 'another console' : `${truth.owner.who} ("${truth.owner.title}")`;
  return `taken over on ${host} from ${by}, whose lock had expired`;
}
