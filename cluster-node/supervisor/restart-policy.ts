/**
 * When a node that ended by itself is started again. The first restart is at once, because after a crash every millisecond
 * counts; then the pauses double; and a node that keeps ending right after its start is left down with the reason, because
 * starting it again only hides it.
 */
import { nodeExitCodes } from '../contract/exit-codes.ts';

export interface RestartPolicy {
  /** A life shorter than this counts as a fast exit. */
  readonly fastExitMs: number;
  /** After this many fast exits in a row the node is left down. */
  readonly fastExitsAtMost: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** Exit codes with which a node says that starting it again cannot help. */
  readonly fatalExitCodes: ReadonlySet<number>;
}

export const defaultRestartPolicy: RestartPolicy = {
  fastExitMs: 10_000,
  fastExitsAtMost: 6,
  firstPauseMs: 200,
  longestPauseMs: 5_000,
  fatalExitCodes: new Set<number>([nodeExitCodes.badConfig, nodeExitCodes.dataRefused]),
};

export interface NodeExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly livedMs: number;
  /** The operator asked for this very exit: it says nothing about the node's health. */
  readonly onRequest: boolean;
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly afterMs: number; readonly fastExits: number }
  | { readonly kind: 'giveUp'; readonly why: string };

/** `fastExits` is how many lives in a row before this one were fast exits. */
export function decideRestart(policy: RestartPolicy, fastExits: number, exit: NodeExit): RestartDecision {
  if (exit.onRequest) return { kind: 'restart', afterMs: 0, fastExits: 0 };
  if (exit.code !== null && policy.fatalExitCodes.has(exit.code)) {
    return { kind: 'giveUp', why: `${describeExit(exit)}, with which it says that starting it again cannot help` };
  }
  if (exit.livedMs >= policy.fastExitMs) return { kind: 'restart', afterMs: 0, fastExits: 0 };
  const inARow = fastExits + 1;
  if (inARow >= policy.fastExitsAtMost) {
    return {
      kind: 'giveUp',
      why: `${describeExit(exit)}; it ended within ${policy.fastExitMs / 1000} s of its start ${inARow} times in a row`,
    };
  }
  const afterMs = inARow === 1 ? 0 : Math.min(policy.firstPauseMs * 2 ** (inARow - 2), policy.longestPauseMs);
  return { kind: 'restart', afterMs, fastExits: inARow };
}

export function describeExit(exit: Pick<NodeExit, 'code' | 'signal'>): string {
  if (exit.signal !== null) return `the node was ended by ${exit.signal}`;
  if (exit.code === null) return 'the node ended in an unknown way';
  // The name says what is wrong also where a full disk has swallowed the log.
  const name = Object.entries(nodeExitCodes).find(([, code]) => code === exit.code)?.[0];
  return `the node exited with code ${exit.code}${name ? ` (${name})` : ''}`;
}
