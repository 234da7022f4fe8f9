/**
 * How a snapshot of a node begins, for whoever passes one on without reading it; the whole format stands in
 * storage/snapshot-file.ts. Integers are little-endian: "SYNODSNP", format u32, length u32, CRC-32 u32, slot u64.
 */
import type { Slot } from './ballot.ts';

export const SNAPSHOT_MAGIC = 'SYNODSNP';
export const SNAPSHOT_FILE_FORMAT = 1;
/** Up to the slot. */
export const SNAPSHOT_PREAMBLE_BYTES = 20;
const SLOT_BYTES = 8;

/** The slot of a snapshot by its first bytes; null when they are none of one, or too few. */
export function snapshotSlotIn(bytes: Uint8Array): Slot | null {
  if (bytes.length < SNAPSHOT_PREAMBLE_BYTES + SLOT_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = String.fromCharCode(...bytes.subarray(0, SNAPSHOT_MAGIC.length));
  const slot = Number(view.getBigUint64(SNAPSHOT_PREAMBLE_BYTES, true));
  const isOne = magic === SNAPSHOT_MAGIC && view.getUint32(8, true) === SNAPSHOT_FILE_FORMAT;
  return isOne && Number.isSafeInteger(slot) ? slot : null;
}
