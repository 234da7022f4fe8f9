/** The formats of two small notes beside the log, for the node that keeps them (runtime/) and for `inspect`. */
import { crc32 } from 'node:zlib';
import { z } from 'zod';

export const KNOWN_DISKS_FILE = 'peers.json';
export const QUARANTINE_FILE = 'quarantine.json';

const knownDisksSchema = z.object({ disks: z.record(z.string(), z.string()), crc: z.number() });

/** The incarnation that each other member had when it was first met, by member slot. */
export type DisksByMember = Readonly<Record<string, string>>;

export function encodeKnownDisks(disks: DisksByMember): Buffer {
  return Buffer.from(`${JSON.stringify({ disks, crc: crc32(JSON.stringify(disks)) })}\n`);
}

/** Throws when it is damaged. */
export function parseKnownDisks(text: string): DisksByMember {
  const { disks, crc } = knownDisksSchema.parse(JSON.parse(text));
  if (crc32(JSON.stringify(disks)) !== crc) throw new Error('its checksum does not fit');
  return disks;
}

const quarantineSchema = z.object({
  /** Snapshots above this slot are not to be used. */
  trustedUpTo: z.number().int().min(0),
  reason: z.string(),
  atUnixMs: z.number(),
  /** How often in a row. */
  count: z.number().int().min(1),
  /** Cleared by a start that has built the state again; kept for a while to count. */
  isOver: z.boolean(),
});
export type Quarantine = z.infer<typeof quarantineSchema>;

export function encodeQuarantine(quarantine: Quarantine): Buffer {
  return Buffer.from(`${JSON.stringify(quarantine)}\n`);
}

/** Throws when it is damaged. */
export function parseQuarantine(text: string): Quarantine {
  return quarantineSchema.parse(JSON.parse(text));
}
