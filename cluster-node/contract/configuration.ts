/**
 * The members of a cluster at one stretch of its log. A configuration is itself a decided value, a *stop entry*: the slot that
 * holds configuration c+1 is the last one that configuration c decides, and c+1 governs every slot after it (Lamport et al.,
 * "Reconfiguring a State Machine", section on stoppable state machines). The first one comes from the configuration file.
 */
import { z } from 'zod';
import { MAX_MEMBER_SLOT, type MemberSlot } from './ballot.ts';
import { memberAddressSchema } from './node-config.ts';

/** A voter is acceptor, learner and potential proposer; a learner only learns what is decided. */
export const memberRoleSchema = z.enum(['voter', 'learner']);
export type MemberRole = z.infer<typeof memberRoleSchema>;

export const memberSchema = memberAddressSchema.extend({ role: memberRoleSchema });
export type Member = z.infer<typeof memberSchema>;

const quorumSize = z.number().int().min(1).max(MAX_MEMBER_SLOT);
/** Members needed in phase 1 and in phase 2; null: more than half of the voters for both. */
export const quorumSizesSchema = z.object({ phase1: quorumSize, phase2: quorumSize }).nullable();
export type QuorumSizes = z.infer<typeof quorumSizesSchema>;

export const configurationSchema = z.object({
  /** From 1, by one. */
  configId: z.number().int().min(1),
  /** By member slot, ascending. */
  members: z.array(memberSchema).min(1).max(63),
  quorumSizes: quorumSizesSchema,
  /** Higher than every member slot ever given in this cluster. */
  nextMemberSlot: z
    .number()
    .int()
    .min(2)
    .max(MAX_MEMBER_SLOT + 1),
});
export type Configuration = z.infer<typeof configurationSchema>;

/** One step from a configuration to the next. Everything else is done in several of them. */
export const configurationChangeSchema = z.discriminatedUnion('kind', [
  /** The leader assigns the member slot: the configuration's `nextMemberSlot`. */
  z.object({ kind: z.literal('addLearner'), member: memberAddressSchema.omit({ memberSlot: true }) }),
  /** Only when it has caught up. */
  z.object({ kind: z.literal('promote'), memberSlot: z.number().int().min(1) }),
  /** A voter or a learner; never the leader itself. */
  z.object({ kind: z.literal('remove'), memberSlot: z.number().int().min(1) }),
  z.object({ kind: z.literal('setQuorums'), quorumSizes: quorumSizesSchema }),
]);
export type ConfigurationChange = z.infer<typeof configurationChangeSchema>;

/** First byte of a decided value that is a configuration; client commands begin with 1, a no-op is empty. */
const CONFIGURATION_VALUE = 2;
/** Written as JSON's escapes, so that the text is one byte a character with no coder of the platform at hand. */
const NOT_ASCII = /[\u0080-\uffff]/g;
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

export class ConfigurationFormatError extends Error {
  override readonly name = 'ConfigurationFormatError';
}

export function isConfigurationValue(value: Uint8Array): boolean {
  return value[0] === CONFIGURATION_VALUE;
}

/** The bytes to propose: one byte that tells the kind, then JSON. Equal configurations give equal bytes. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const text = JSON.stringify(configurationSchema.parse(configuration)).replace(NOT_ASCII, escaped);
  return Uint8Array.from([CONFIGURATION_VALUE, ...Array.from(text, (character) => character.charCodeAt(0))]);
}

/** Inverse of `encodeConfiguration`. Throws ConfigurationFormatError. */
export function decodeConfiguration(value: Uint8Array): Configuration {
  if (!isConfigurationValue(value)) throw new ConfigurationFormatError(`first byte ${value[0]} is no configuration's`);
  try {
    const text = Array.from(value.subarray(1), (byte) => String.fromCharCode(byte)).join('');
    return configurationSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigurationFormatError('a configuration in the log cannot be read', { cause });
  }
}

/** Configuration 1: all of these vote, majorities decide. */
export function firstConfiguration(members: readonly Omit<Member, 'role'>[]): Configuration {
  const sorted = [...members].sort((left, right) => left.memberSlot - right.memberSlot);
  return {
    configId: 1,
    members: sorted.map((member) => ({ ...member, role: 'voter' })),
    quorumSizes: null,
    nextMemberSlot: Math.max(...sorted.map(({ memberSlot }) => memberSlot)) + 1,
  };
}

export function votersOf(configuration: Configuration): MemberSlot[] {
  return configuration.members.filter(({ role }) => role === 'voter').map(({ memberSlot }) => memberSlot);
}

/** More than half of so many. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** How many voters make a quorum of each phase: as configured, or majorities. */
export function quorumSizesOf(configuration: Configuration): NonNullable<QuorumSizes> {
  const majority = majorityOf(votersOf(configuration).length);
  return configuration.quorumSizes ?? { phase1: majority, phase2: majority };
}
