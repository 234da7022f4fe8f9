/**
 * A cluster's authority on its way from one console to another: its key under a passphrase. scrypt makes the passphrase slow to guess,
 * AES-256-GCM seals the key, and what stands in the open (which cluster, which certificate) is sealed against changes with it.
 */
import { createCipheriv, createDecipheriv, createPrivateKey, randomBytes, scrypt, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { clusterIdSchema, nameSchema } from '../../../contract/model.ts';
import { FailureError } from '../../operations/failure.ts';
import type { KeyPair } from '../certificates.ts';
import { canonicalJson } from '../plan/canonical-json.ts';

/** 128 MiB of memory and most of a second a guess. */
const COST = { cost: 2 ** 17, blockSize: 8, parallelization: 1 } as const;
const MAX_MEMORY_BYTES = 256 * 2 ** 20;
const KEY_BYTES = 32;

const openPartSchema = z.object({
  formatVersion: z.literal(1),
  what: z.literal('synod cluster authority'),
  clusterId: clusterIdSchema,
  name: nameSchema,
  /** PEM. */
  certificate: z.string(),
  kdf: z.object({ name: z.literal('scrypt'), salt: z.base64(), ...costSchema() }),
  cipher: z.object({ name: z.literal('aes-256-gcm'), iv: z.base64() }),
});
const sealedSchema = openPartSchema.extend({ tag: z.base64(), sealedKey: z.base64() });

/** Only what this version writes: a file must not be able to ask for a terabyte of memory. */
function costSchema() {
  return {
    cost: z.literal(COST.cost),
    blockSize: z.literal(COST.blockSize),
    parallelization: z.literal(COST.parallelization),
  };
}

export interface PortableAuthority {
  readonly clusterId: string;
  readonly name: string;
  readonly pair: KeyPair;
}

/** The text of the file. */
export async function sealAuthority({ clusterId, name, pair }: PortableAuthority, passphrase: string): Promise<string> {
  const salt = randomBytes(16);
  const iv = randomBytes(12);
  const open: z.infer<typeof openPartSchema> = {
    formatVersion: 1,
    what: 'synod cluster authority',
    clusterId,
    name,
    certificate: pair.certificate,
    kdf: { name: 'scrypt', salt: salt.toString('base64'), ...COST },
    cipher: { name: 'aes-256-gcm', iv: iv.toString('base64') },
  };
  const cipher = createCipheriv('aes-256-gcm', await keyFrom(passphrase, salt), iv);
  cipher.setAAD(Buffer.from(canonicalJson(open)));
  const sealedKey = Buffer.concat([cipher.update(pair.key, 'utf8'), cipher.final()]).toString('base64');
  return `${JSON.stringify({ ...open, tag: cipher.getAuthTag().toString('base64'), sealedKey }, null, 2)}\n`;
}

/** Throws FailureError `badKeyFile`, `wrongPassphrase`. */
export async function openAuthority(text: string, passphrase: string): Promise<PortableAuthority> {
  const { tag, sealedKey, ...open } = parseSealed(text);
  const key = await keyFrom(passphrase, Buffer.from(open.kdf.salt, 'base64'));
  const pair = { certificate: open.certificate, key: unseal({ tag, sealedKey, open }, key) };
  if (!new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key)))
    throw badFile('its key is not that of its certificate');
  return { clusterId: open.clusterId, name: open.name, pair };
}

function parseSealed(text: string): z.infer<typeof sealedSchema> {
  try {
    return sealedSchema.parse(JSON.parse(text));
  } catch {
    throw badFile('it was not made by `synod cluster export-keys`, or by a later version of it');
  }
}

function unseal(
  { tag, sealedKey, open }: { tag: string; sealedKey: string; open: z.infer<typeof openPartSchema> },
  key: Buffer,
): string {
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(open.cipher.iv, 'base64'));
  decipher.setAAD(Buffer.from(canonicalJson(open)));
  decipher.setAuthTag(Buffer.from(tag, 'base64'));
  try {
    return Buffer.concat([decipher.update(Buffer.from(sealedKey, 'base64')), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new FailureError(
      {
        kind: 'wrongPassphrase',
        message: 'The passphrase does not open this file, or the file was changed.',
        nextStep: 'Try again with the passphrase that was chosen at export.',
      },
      { cause },
    );
  }
}

function keyFrom(passphrase: string, salt: Buffer): Promise<Buffer> {
  const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);
  return derive(passphrase.normalize('NFC'), salt, KEY_BYTES, { ...COST, maxmem: MAX_MEMORY_BYTES });
}

function badFile(why: string): FailureError {
  return new FailureError({
    kind: 'badKeyFile',
    message: `This is no file with a cluster's keys that can be used: ${why}.`,
    nextStep: 'Export the keys again on the console that has them.',
  });
}
