/**
 * Faults of the process plane: leases held by the node itself. The deadline runs on the node's own monotonic clock, so a
 * fault ends by itself however the console fares; a restart of the node ends it too.
 */
import { z } from 'zod';

/** An ordered pair of member slots, `from` → `to`. */
export const linkSchema = z.object({
  from: z.number().int().min(1).max(1023),
  to: z.number().int().min(1).max(1023),
});
export type Link = z.infer<typeof linkSchema>;

export const MAX_FAULT_TTL_MS = 60 * 60 * 1000;

/** Messages on these links are dropped. Each node drops what it would send on a cut link and what arrives on one. */
export const partitionFaultSchema = z.object({
  kind: z.literal('partition'),
  links: z.array(linkSchema).min(1).max(1000),
});
export type PartitionFault = z.infer<typeof partitionFaultSchema>;

export const faultSchema = z.discriminatedUnion('kind', [partitionFaultSchema]);

export const faultLeaseSchema = z.object({
  /** "f-" and 8 letters or digits, given by whoever injects; injecting the same id again renews the lease. */
  faultId: z.string().regex(/^f-[a-z0-9]{8}$/),
  fault: faultSchema,
  ttlMs: z.number().int().min(100).max(MAX_FAULT_TTL_MS),
});
export type FaultLease = z.infer<typeof faultLeaseSchema>;

export const activeFaultSchema = z.object({
  faultId: z.string(),
  fault: faultSchema,
  remainingMs: z.number().min(0),
  /** Messages that this fault has dropped on this node: proof that it bites. */
  droppedMessages: z.number().int().min(0),
});
export type ActiveFault = z.infer<typeof activeFaultSchema>;
