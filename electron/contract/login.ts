/** How a host is logged in to: what the operator chose, what the SSH configuration says, and what a login asks of a person. */
import { z } from 'zod';

/** How the engine logs in. Secrets are never part of it: they are asked for when they are needed. */
export const hostAuthSchema = z.discriminatedUnion('kind', [
  /** The SSH agent and then the user's default keys, as ssh does it. */
  z.object({ kind: z.literal('default') }),
  z.object({ kind: z.literal('key'), path: z.string().min(1) }),
  z.object({ kind: z.literal('agent') }),
  z.object({ kind: z.literal('password') }),
]);
export type HostAuth = z.infer<typeof hostAuthSchema>;

/** [user@]host[:port], several separated by commas: the first is reached first. */
export const jumpsSchema = z
  .string()
  .max(1000)
  .regex(
    /^(none|[^\s,;|&$`'"<>\\-][^\s,;|&$`'"<>\\]*(,[^\s,;|&$`'"<>\\-][^\s,;|&$`'"<>\\]*)*)$/,
    'give jump hosts as [user@]host[:port],…',
  );

/** With what a host is reached: Synod's own SSH, or the OpenSSH client of the engine's computer. */
export const transportSchema = z.enum(['builtin', 'openssh']);

/** A host of the SSH configuration, as ssh would reach it. */
export const configuredHostSchema = z.object({
  alias: z.string(),
  address: z.string(),
  port: z.number().int(),
  user: z.string(),
  /** The way there in words; null: directly. */
  via: z.string().nullable(),
  /** Files that exist or are configured, in the order to try. */
  identityFiles: z.array(z.string()),
  /** The host of the fleet that is this one already; null: none. */
  inFleetAs: z.string().nullable(),
});
export type ConfiguredHost = z.infer<typeof configuredHostSchema>;

/** Something to ask a person while a login waits. Answers never come back in a view. */
export const promptSchema = z.object({
  promptId: z.string(),
  kind: z.enum(['passphrase', 'password', 'questions']),
  /** The key file, or "user@address:port". */
  about: z.string(),
  /** The host of the fleet whose login waits. */
  host: z.string(),
  /** What the host says about its questions; may be empty. */
  title: z.string(),
  fields: z.array(z.object({ text: z.string(), echo: z.boolean() })),
  /** The last answer did not serve. */
  wasWrong: z.boolean(),
  /** This computer has a store of secrets, in which the answer can be kept. */
  canKeep: z.boolean(),
});
export type Prompt = z.infer<typeof promptSchema>;
