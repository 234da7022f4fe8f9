/**
 * The operation lock on the hosts of one cluster: taken, renewed while the operation runs, released. The first host decides: hosts are
 * asked in the order of the members' slots, and all others only once the first that answers has given its lock. So of two consoles
 * that begin at once exactly one goes on, and the other has changed nothing.
 */
import type { Logger } from 'pino';
import type { FleetStore } from '../../fleet/store.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import { SshError } from '../../ssh/ssh-error.ts';
import { releaseScript, renewScript, takeScript, type TruthPlace } from './host-scripts.ts';
import type { HostAnswer, TruthHost } from './host-truth.ts';
import { lockedByOther, lockLost, type SeenOn } from './judge.ts';

export interface AskOptions {
  readonly signal?: AbortSignal;
  /** False: not worth a line in the audit. */
  readonly isLogged?: boolean;
}

export interface LocksOptions {
  readonly ask: (
    at: TruthHost,
    what: string,
    script: (place: TruthPlace) => string,
    options?: AskOptions,
  ) => Promise<HostAnswer>;
  readonly lock: { readonly lines: string; readonly ttlSeconds: number };
  readonly store: FleetStore;
  readonly log: Logger;
  /** The operation itself takes the lock off a host, with everything else. */
  readonly mayVanish: boolean;
  readonly onLost: (failure: FailureError) => void;
}

interface Held {
  readonly at: TruthHost;
  /** Folders that were made for the operation; those that are empty in the end go again. */
  readonly made: Set<string>;
}

export interface Taken {
  /** What each host that gave its lock said before. */
  readonly said: readonly SeenOn[];
  /** Host and reason. */
  readonly unreached: readonly string[];
}

/** Longest that releasing may take: what is not released expires by itself. */
const RELEASE_WITHIN_MS = 10_000;

export class HostLocks {
  readonly #options: LocksOptions;
  readonly #held: Held[] = [];
  /** Asked, and the answer was never seen. */
  readonly #unsure: Held[] = [];
  #renewing: NodeJS.Timeout | null = null;

  constructor(options: LocksOptions) {
    this.#options = options;
  }

  /** Hosts that are locked and still carry a node of the cluster. */
  get held(): readonly Held[] {
    return this.#held.filter((one) => this.#isMember(one));
  }

  #isMember({ at }: Held): boolean {
    return this.#options.store.getMember(at.member.nodeId) !== null;
  }

  /** Throws FailureError `lockedByOther`, `foreignFiles`, `noFlock`; what was taken until then is still to be released. */
  async take(all: readonly TruthHost[]): Promise<Taken> {
    const said: SeenOn[] = [];
    const unreached: string[] = [];
    const takeOn = async (at: TruthHost) => {
      try {
        said.push(await this.#takeOn(at));
      } catch (error) {
        if (!(error instanceof SshError) || error.kind === 'aborted') throw error;
        if (error.kind === 'outcomeUnknown') this.#unsure.push({ at, made: new Set() });
        unreached.push(`${at.host.name} (${failureOf(error).message})`);
      }
    };
    const rest = [...all];
    for (let next = rest.shift(); next !== undefined; next = said.length === 0 ? rest.shift() : undefined)
      await takeOn(next);
    const ends = await Promise.allSettled(rest.map(takeOn));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    this.#renewing = setInterval(this.#renewer(), (this.#options.lock.ttlSeconds * 1000) / 4);
    return { said, unreached };
  }

  async #takeOn(at: TruthHost): Promise<SeenOn> {
    const { ask, lock } = this.#options;
    const host = at.host.name;
    const { done, made, truth } = await ask(at, 'take the operation lock', (place) => takeScript(place, lock));
    if (truth === null)
      throw new FailureError({
        kind: 'recordFailed',
        host,
        message: `What ${host} said of the operation lock cannot be read.`,
        nextStep: 'Run it again; if it stays so, see whether sed, base64 and flock work there.',
      });
    if (done !== 'taken') throw lockedByOther({ host, truth }, at.cluster);
    this.#held.push({ at, made: new Set(made) });
    return { host, truth };
  }

  #renewer(): () => void {
    let isAtWork = false;
    return () => {
      if (isAtWork) return;
      isAtWork = true;
      void Promise.all(this.held.map((held) => this.#renewOn(held))).finally(() => {
        isAtWork = false;
      });
    };
  }

  /** A host that cannot be asked now is asked again: what it says then decides. */
  async #renewOn(held: Held): Promise<void> {
    const { ask, lock, log, mayVanish, onLost } = this.#options;
    const { at } = held;
    try {
      const script = (place: TruthPlace) => renewScript(place, lock);
      const { truth } = await ask(at, 'renew the operation lock', script, { isLogged: false });
      const isExpected = mayVanish || this.#options.store.getMember(at.member.nodeId)?.isLeaving === true;
      const isLost = truth !== null && (truth.lock !== 'free' || !isExpected);
      if (isLost && this.#isMember(held)) onLost(lockLost({ host: at.host.name, truth }, at.cluster));
    } catch (error) {
      log.info({ host: at.host.name, failure: failureOf(error).message }, 'operation lock not renewed yet');
    }
  }

  /** In any case. Never throws. */
  async release(): Promise<void> {
    const { ask, log } = this.#options;
    if (this.#renewing !== null) clearInterval(this.#renewing);
    // From a host that the cluster has left, its lock has gone with the rest.
    const left = [...this.held, ...this.#unsure.filter((one) => this.#isMember(one))];
    const signal = AbortSignal.timeout(RELEASE_WITHIN_MS);
    await Promise.all(
      left.map(async ({ at, made }) => {
        try {
          await ask(at, 'release the operation lock', (place) => releaseScript(place, [...made]), { signal });
        } catch (error) {
          const failure = failureOf(error).message;
          log.warn({ host: at.host.name, failure }, 'operation lock not released: it expires by itself');
        }
      }),
    );
  }
}
