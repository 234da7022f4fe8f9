/** A cluster that its hosts tell of, before this console takes it over. */
import { z } from 'zod';
import { clusterIdSchema, hostAddressSchema, hostIdSchema, nameSchema, nodeIdSchema, placeSchema } from './model.ts';

export const adoptionRequestSchema = z.object({
  /** Hosts of the fleet that are asked; others of the fleet that the record names are asked, too. */
  hostIds: z.array(hostIdSchema).min(1).max(100),
  /** Which one, where the hosts carry nodes of several: its name or id. null: the only one. */
  cluster: z.string().nullable(),
  /** The fingerprint of its authority as the operator has it from elsewhere; null: what the hosts show is believed. */
  authority: z.string().nullable(),
});
export type AdoptionRequest = z.infer<typeof adoptionRequestSchema>;

export const adoptionSchema = z.object({
  clusterId: clusterIdSchema,
  name: nameSchema,
  place: placeSchema,
  /** Number and digest of the record that would be taken over. */
  sequence: z.number().int(),
  digest: z.string(),
  /** Fingerprint of the authority that signed it. */
  authority: z.string(),
  /** This console knew that authority before, or the operator named it. */
  isAuthorityKnown: z.boolean(),
  /** This console has the authority's key: it can change what nodes run, add nodes and sign records. */
  hasKey: z.boolean(),
  /** To this console the cluster is new, was changed by another one since, or is as it knows it. */
  standing: z.enum(['new', 'behind', 'same']),
  lastOperation: z.object({
    title: z.string(),
    who: z.string(),
    startedAtUnixMs: z.number(),
    result: z.enum(['inProgress', 'succeeded', 'failed']),
  }),
  members: z.array(
    z.object({
      nodeId: nodeIdSchema,
      name: nameSchema,
      address: z.string(),
      /** By the name that this fleet has for it, else as the record calls it. */
      host: z.string(),
      /** null: not in the fleet yet; it would be added. */
      hostId: hostIdSchema.nullable(),
      /** `seen`: the node is on its host. `absent`: its host was asked and does not have it. `unknown`: its host was not reached. */
      state: z.enum(['seen', 'absent', 'unknown']),
    }),
  ),
  /** What hosts show beside what the record says, a sentence each. */
  differences: z.array(z.string()),
  /** Hosts that would be added to the fleet; their keys are still to be trusted. */
  newHosts: z.array(hostAddressSchema.omit({ auth: true })),
});
export type Adoption = z.infer<typeof adoptionSchema>;

/** A cluster's authority with its key, sealed by a passphrase: the text of the file. */
export const sealedKeysSchema = z.string().min(1).max(100_000);
export const passphraseSchema = z.string().min(12, 'a passphrase has 12 characters at least').max(1000);
