/** Exit codes of `synod-node run`, so that whoever restarts it can tell what helps and what does not. */
export const nodeExitCodes = {
  /** Stopped on request. */
  stopped: 0,
  /** A failed assertion or any other bug: safe to start again. */
  crashed: 1,
  /** Wrong use or a configuration that does not parse: starting again does not help. */
  badConfig: 2,
  /** A port or address cannot be had. */
  portUnavailable: 3,
  /** Another process uses the data folder. */
  dataLocked: 4,
  /** The data folder is damaged or another node's: starting again does not help. */
  dataRefused: 5,
  /** A write or sync of the log failed: start again once, so that the log is read and checked afresh. */
  diskFailed: 6,
  /** No space for the first segment of the log. */
  diskFull: 7,
  /** The log's disk failed a second time soon after the first: left down until someone has looked at the disk. */
  diskStoodDown: 8,
  /** Its state was not the majority's: starting again builds it anew. */
  stateDiverged: 9,
  /** The disk changed a decided entry that a peer needs: starting again reads the log afresh and repairs it from the peers. */
  entryDamaged: 10,
} as const;
export type NodeExitCode = (typeof nodeExitCodes)[keyof typeof nodeExitCodes];

/** With these a node says that starting it again cannot help: whoever keeps it leaves it down. */
export const restartIsFutile: ReadonlySet<number> = new Set([
  nodeExitCodes.badConfig,
  nodeExitCodes.dataRefused,
  nodeExitCodes.diskStoodDown,
]);
