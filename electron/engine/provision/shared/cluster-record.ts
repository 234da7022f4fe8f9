/**
 * What a cluster is, as its hosts keep it for other consoles: who its members are and how their hosts are reached, what it runs, and what
 * was done to it last. No secret stands in it.
 *
 * The file is one JSON object with a signature by the cluster's authority over everything else in it, in canonical form. What the
 * signature is worth stands in docs/adr/0013-shared-record.md.
 */
import { createHash, createPrivateKey, sign, verify, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { hostAddressSchema } from '../../../contract/model.ts';
import {
  type StoredCluster,
  type StoredHost,
  type StoredMember,
  storedClusterSchema,
  storedMemberSchema,
} from '../../fleet/records.ts';
import type { KeyPair } from '../certificates.ts';
import { canonicalJson } from '../plan/canonical-json.ts';

export const recordedOperationSchema = z.object({
  operationId: z.string(),
  kind: z.string(),
  title: z.string(),
  /** Login and computer of the console that did it. */
  who: z.string(),
  consoleId: z.string(),
  /** Times are of that console's clock. */
  startedAtUnixMs: z.number(),
  endedAtUnixMs: z.number().nullable(),
  /** `inProgress` stays where the console did not live to see the end. */
  result: z.enum(['inProgress', 'succeeded', 'failed']),
  outcome: z.string().nullable(),
});
export type RecordedOperation = z.infer<typeof recordedOperationSchema>;

/** How the console that wrote it reaches the host; how it logs in there is its own affair. */
const recordedHostSchema = hostAddressSchema.omit({ auth: true });

export const clusterRecordSchema = z.object({
  formatVersion: z.literal(1),
  /** Rises with every write, whoever writes. */
  sequence: z.number().int().min(1),
  cluster: storedClusterSchema.omit({ origin: true, lifecycle: true }),
  /** Without the host's id, which is a console's own name for it. */
  members: z
    .array(storedMemberSchema.omit({ clusterId: true, hostId: true }).extend({ host: recordedHostSchema }))
    .min(1),
  lastOperation: recordedOperationSchema,
});
export type ClusterRecord = z.infer<typeof clusterRecordSchema>;

const signatureSchema = z.object({
  algorithm: z.literal('ecdsa-p256-sha256'),
  /** SHA-256 of the authority's certificate, as `AuthorityFingerprint`. */
  authority: z.string(),
  /** Base64 of the DER form. */
  value: z.string(),
});

export interface RecordParts {
  readonly cluster: StoredCluster;
  readonly members: readonly { readonly member: StoredMember; readonly host: StoredHost }[];
  readonly sequence: number;
  readonly lastOperation: RecordedOperation;
}

export function recordOf({ cluster, members, sequence, lastOperation }: RecordParts): ClusterRecord {
  // What is not part of the schema falls away.
  return clusterRecordSchema.parse({
    formatVersion: 1,
    sequence,
    cluster,
    members: members.map(({ member, host }) => ({ ...member, host })),
    lastOperation,
  });
}

/** The text of the file. */
export function signRecord(record: ClusterRecord, authority: KeyPair): string {
  const value = sign('sha256', signedBytes(record), createPrivateKey(authority.key)).toString('base64');
  const signature = { algorithm: 'ecdsa-p256-sha256', authority: fingerprintOf(authority.certificate), value };
  return `${JSON.stringify({ ...record, signature }, null, 2)}\n`;
}

/** A record whose signature is that of an authority that is believed in. */
export interface SignedRecord {
  readonly record: ClusterRecord;
  readonly text: string;
  /** SHA-256 of the text. */
  readonly digest: string;
  readonly authority: string;
}

/** `authorities`: certificates, PEM. Throws RangeError that says what is wrong with it. */
export function verifyRecord(text: string, authorities: readonly string[]): SignedRecord {
  const { signature: found, ...signed } = parseObject(text);
  const signature = signatureSchema.safeParse(found);
  if (!signature.success) throw new RangeError('it is not signed');
  const { authority, value } = signature.data;
  const certificate = authorities.find((one) => fingerprintOf(one) === authority);
  if (certificate === undefined)
    throw new RangeError(`it is signed by the authority ${authority}, which is not this one`);
  // Over what is there, not over what this version knows of it.
  const isTrue = verify(
    'sha256',
    signedBytes(signed),
    new X509Certificate(certificate).publicKey,
    Buffer.from(value, 'base64'),
  );
  if (!isTrue) throw new RangeError('its signature is not of this content');
  const record = clusterRecordSchema.safeParse(signed);
  if (!record.success) throw new RangeError('it was written by a version of Synod that this one does not know');
  return { record: record.data, text, digest: digestOf(text), authority };
}

/** The number that a file bears, believed or not; null: none. */
export function claimedSequence(text: string): number | null {
  try {
    return clusterRecordSchema.pick({ sequence: true }).parse(JSON.parse(text)).sequence;
  } catch {
    return null;
  }
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** "SHA256:" and hex digits of a certificate. */
export function fingerprintOf(certificate: string): string {
  return `SHA256:${new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase()}`;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw new RangeError('it is not a record');
  }
}

function signedBytes(record: object): Buffer {
  return Buffer.from(canonicalJson(record), 'utf8');
}
