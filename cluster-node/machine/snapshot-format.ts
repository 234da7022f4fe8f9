/**
 * A machine as a stream of bytes, the same on every node at the same slot: a hash of the stream is a hash of all that the
 * nodes agree on. Records follow each other, integers little-endian (u64 up to 2^53 - 1):
 *
 *   0   kind      u8
 *   1   length    u32, of the payload
 *   5   payload
 *
 *   header     format u32, slot u64, revision u64, compactedUpTo + 1 u64, hash u32, storedBytes u64,
 *              lastDueSlot u64, bytesThen u64, bytesSince u64
 *   session    origin u16, boot u64, floor u64; by origin ascending, then as Sessions keeps them
 *   sequences  u64 each, up to 4096 of them, ascending: applied ones of the session before
 *   key        its bytes; keys ascend
 *   pair       revision u64, createRevision u64, version u64, lease i64, then the value; the versions of a key, newest first
 *   deletion   revision u64
 *   end        keys u64, versions u64, CRC-32 u32 of all bytes before this record
 */
export const SNAPSHOT_FORMAT = 1;
export const RECORD_HEADER_BYTES = 5;
export const HEADER_BYTES = 64;
export const SESSION_BYTES = 18;
export const PAIR_BYTES = 32;
export const DELETION_BYTES = 8;
export const END_BYTES = 20;
export const MAX_SEQUENCES_PER_RECORD = 4096;
/** Above the longest value that a request can carry. */
export const MAX_RECORD_BYTES = 4 * 1024 * 1024;

export const recordKind = {
  header: 1,
  session: 2,
  sequences: 3,
  key: 4,
  pair: 5,
  deletion: 6,
  end: 7,
} as const;

/** The stream is cut short, damaged, or of another version of Synod. */
export class SnapshotFormatError extends Error {
  override readonly name = 'SnapshotFormatError';
}
