/** Why a node's data folder cannot be used. Each says what to do next, because an operator reads it in the node's log. */

/** Something on disk does not check and was synced once: to go on without it could break promises. */
export class DataDamagedError extends Error {
  override readonly name = 'DataDamagedError';
}

/** The folder belongs to another node or cluster, or is not what the configuration says. */
export class DataMismatchError extends Error {
  override readonly name = 'DataMismatchError';
}

/** Another process has the folder open. */
export class DataLockedError extends Error {
  override readonly name = 'DataLockedError';
}

export function isNoSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** A snapshot could not be written or fetched. What was there before is untouched, and so is the log: try again later. */
export class SnapshotFailedError extends Error {
  override readonly name = 'SnapshotFailedError';
}

/** A decided entry that was intact at start does not check any more: the disk changed it in service. Peers have it. */
export class EntryDamagedError extends Error {
  override readonly name = 'EntryDamagedError';
  readonly slot: number;

  constructor(slot: number, where: string) {
    super(`${where}: the entry of slot ${slot} is damaged`);
    this.slot = slot;
  }
}

/** The log was closed before what was waited for reached the disk. */
export class LogClosedError extends Error {
  override readonly name = 'LogClosedError';

  constructor() {
    super('the log was closed before the disk said so');
  }
}

/** The entry was removed because a snapshot covers it. */
export class LogTrimmedError extends Error {
  override readonly name = 'LogTrimmedError';
  readonly firstSlot: number;

  constructor(slot: number, firstSlot: number) {
    super(`the log begins at slot ${firstSlot}; slot ${slot} is in a snapshot only`);
    this.firstSlot = firstSlot;
  }
}
