/**
 * When a node that ended by itself is started again. The first restart is at once, because after a crash every millisecond
 * counts; then the pauses double. It is never given up, because what ends nodes from outside (no memory, no disk, a port in
 * use) passes, and a cluster must heal by itself; only a node that says that starting it again cannot help is left down.
 */
import { nodeExitCodes, restartIsFutile } from '../contract/exit-codes.ts';

export interface RestartPolicy {
  /** A life shorter than this counts as a fast exit. */
  readonly fastExitMs: number;
  /** From this many fast exits in a row on the node counts as failing, not as recovering from a crash. */
  readonly failingFrom: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** Exit codes with which a node says that starting it again cannot help. */
  readonly fatalExitCodes: ReadonlySet<number>;
}

export const defaultRestartPolicy: RestartPolicy = {
  fastExitMs: 10_000,
  failingFrom: 6,
  firstPauseMs: 200,
  longestPauseMs: 30_000,
  fatalExitCodes: restartIsFutile,
};

export interface NodeExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly livedMs: number;
  /** The operator asked for this very exit: it says nothing about the node's health. */
  readonly onRequest: boolean;
}

export type RestartDecision =
  | {
      readonly kind: 'restart';
      readonly afterMs: number;
      readonly fastExits: number;
      readonly isFailing: boolean;
      readonly why: string;
    }
  | { readonly kind: 'giveUp'; readonly why: string };

/** `fastExits` is how many lives in a row before this one were fast exits. */
export function decideRestart(policy: RestartPolicy, fastExits: number, exit: NodeExit): RestartDecision {
  const why = describeExit(exit);
  if (exit.onRequest) return { kind: 'restart', afterMs: 0, fastExits: 0, isFailing: false, why };
  if (exit.code !== null && policy.fatalExitCodes.has(exit.code)) {
    return { kind: 'giveUp', why: `${why}, with which it says that starting it again cannot help` };
  }
  if (exit.livedMs >= policy.fastExitMs) return { kind: 'restart', afterMs: 0, fastExits: 0, isFailing: false, why };
  return restartAfterFastExit(policy, fastExits + 1, why);
}

/** `inARow` counts this one too; `why` says how it ended or why it could not be started. */
export function restartAfterFastExit(policy: RestartPolicy, inARow: number, why: string): RestartDecision {
  const afterMs = inARow === 1 ? 0 : Math.min(policy.firstPauseMs * 2 ** (inARow - 2), policy.longestPauseMs);
  const isFailing = inARow >= policy.failingFrom;
  const within = `within ${policy.fastExitMs / 1000} s of its start`;
  const failing = `; it has failed ${within} ${inARow} times in a row and is started again in ${afterMs / 1000} s`;
  return { kind: 'restart', afterMs, fastExits: inARow, isFailing, why: isFailing ? why + failing : why };
}

export function describeExit(exit: Pick<NodeExit, 'code' | 'signal'>): string {
  if (exit.signal !== null) return `the node was ended by ${exit.signal}`;
  if (exit.code === null) return 'the node ended in an unknown way';
  // The name says what is wrong also where a full disk has swallowed the log.
  const name = Object.entries(nodeExitCodes).find(([, code]) => code === exit.code)?.[0];
  return `the node exited with code ${exit.code}${name ? ` (${name})` : ''}`;
}
