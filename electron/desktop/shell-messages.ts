/** What the shell and the engine's process say to each other beside the contract; both sides parse what they get. */
import { z } from 'zod';

export const toEngineSchema = z.discriminatedUnion('kind', [
  /** Comes with a MessagePort that speaks the contract. */
  z.object({ kind: z.literal('connect') }),
  z.object({ kind: z.literal('stop') }),
  z.object({ kind: z.literal('secretReply'), id: z.number().int(), secret: z.string().nullable() }),
  z.object({ kind: z.literal('secretFailed'), id: z.number().int(), message: z.string() }),
]);
export type ToEngine = z.infer<typeof toEngineSchema>;

export const toShellSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('secretGet'), id: z.number().int(), hostId: z.string() }),
  z.object({ kind: z.literal('secretSet'), id: z.number().int(), hostId: z.string(), secret: z.string() }),
  z.object({ kind: z.literal('secretDelete'), id: z.number().int(), hostId: z.string() }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type ToShell = z.infer<typeof toShellSchema>;
