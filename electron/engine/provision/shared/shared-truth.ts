/**
 * What a cluster's consoles share, on the hosts: the record of what the cluster is, and the lock of whoever is changing it. Every
 * operation that changes a cluster runs inside `during`.
 */
import type { StoredCluster } from '../../fleet/records.ts';
import { failureOf } from '../../operations/failure.ts';
import type { OperationRun } from '../../operations/operations.ts';
import type { CommandLog } from '../apply/command-log.ts';
import type { ClusterKeys } from '../cluster-keys.ts';
import { Claim, type ClaimRequest } from './claim.ts';
import { type KnownRecord, knownRecordSchema } from './judge.ts';
import { lookAtTruth, type TruthParts } from './look-at-truth.ts';

/** A laptop that sleeps a little, or a host that is slow, does not lose it. */
export const LOCK_SECONDS = 90;

const KNOWN = 'sharedRecord';
const LOOK_WITHIN_MS = 60_000;

export interface SharedOptions extends Omit<TruthParts, 'authorityOf' | 'known'> {
  readonly keysOf: (clusterId: string) => ClusterKeys;
}

export class SharedTruth {
  readonly #parts: TruthParts;

  constructor(options: SharedOptions) {
    const { store, keysOf } = options;
    this.#parts = {
      ...options,
      authorityOf: (clusterId) => keysOf(clusterId).authorityHere(),
      known: {
        get: (clusterId) => store.getDocument(KNOWN, clusterId, knownRecordSchema),
        put: (clusterId, known) => store.putDocument(KNOWN, clusterId, known),
      },
    };
  }

  /** null: nothing was written or taken over yet. */
  known(clusterId: string): KnownRecord | null {
    return this.#parts.known.get(clusterId);
  }

  /** What this console has written or taken over is the newest that it knows. */
  remember(clusterId: string, known: KnownRecord): void {
    this.#parts.known.put(clusterId, known);
  }

  forget(clusterId: string): void {
    this.#parts.store.removeDocument(KNOWN, clusterId);
  }

  /**
   * Runs the work with a claim on the cluster, which it takes before it changes anything; afterwards the record says what came of it and
   * the lock is gone. Throws what the work throws, and FailureError `lockedByOther`, `lockLost`, `behind`, `recordNotOurs`, `noMajority`.
   */
  async during<T extends string>(
    request: ClaimRequest,
    at: { run: OperationRun; log: CommandLog },
    work: (claim: Claim) => Promise<T>,
  ): Promise<T> {
    const claim = new Claim(this.#parts, request, at);
    try {
      const outcome = await work(claim);
      await claim.succeed(outcome);
      return outcome;
    } catch (error) {
      const cause = claim.loss ?? error;
      await claim.fail(failureOf(cause).message);
      throw cause;
    }
  }

  /** As `lookAtTruth`, in a sentence; null: up to date, as far as the hosts can be reached. */
  async whyBehind(cluster: StoredCluster): Promise<string | null> {
    try {
      await lookAtTruth(this.#parts, cluster, { signal: AbortSignal.timeout(LOOK_WITHIN_MS), log: null });
      return null;
    } catch (error) {
      const { message, nextStep } = failureOf(error);
      return `${message} ${nextStep}`;
    }
  }
}
