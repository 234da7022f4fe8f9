/** Reads the configuration and the files that it names; every failure says which file and which field. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type MemberAddress, type NodeConfig, nodeConfigSchema } from '../contract/node-config.ts';
import type { PeerTls } from '../peer/identity.ts';

/** Linux takes 108 bytes with the closing zero; other systems fewer. */
const MAX_SOCKET_PATH_BYTES = 100;

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface Seed {
  /** Absolute. */
  readonly path: string;
  readonly slot: number;
  readonly sha256: string;
}

export interface LoadedConfig {
  readonly config: NodeConfig;
  readonly self: MemberAddress;
  /** Members that the file names, this node among them if it does not join. */
  readonly contacts: readonly MemberAddress[];
  /** Absolute. */
  readonly dataDir: string;
  /** The note that this node has run; not in the data folder. */
  readonly birthPath: string;
  readonly adminSocket: string;
  /** The snapshot that this node begins with; null: it begins empty, or joins others. */
  readonly seed: Seed | null;
  readonly peerTls: PeerTls;
  /** null: clients speak plain HTTP/2. */
  readonly clientTls: PeerTls | null;
}

/** Throws ConfigError. */
export function loadConfig(path: string): LoadedConfig {
  const config = parseConfig(path);
  const at = (file: string) => resolve(dirname(path), file);
  const named = [...config.members, ...config.contacts, ...(config.joining ? [config.joining] : [])];
  const self = named.find((member) => member.nodeId === config.nodeId) as MemberAddress;
  const adminSocket = at(config.adminSocket);
  if (Buffer.byteLength(adminSocket) > MAX_SOCKET_PATH_BYTES)
    throw new ConfigError(
      `${path}: adminSocket: ${adminSocket} is longer than ${MAX_SOCKET_PATH_BYTES} bytes; choose a shorter folder`,
    );
  const { ca, peerCert, peerKey, client } = config.tls;
  const pemAt = (field: string, file: string): Pem => readPem(path, field, at(file));
  const ofPeers = tlsOf(pemAt('tls.ca', ca), pemAt('tls.peerCert', peerCert), pemAt('tls.peerKey', peerKey));
  return {
    config,
    self,
    contacts: named,
    dataDir: at(config.dataDir),
    birthPath: at(config.birthFile),
    adminSocket,
    seed: config.seed === undefined ? null : { ...config.seed, path: at(config.seed.file) },
    peerTls: ofPeers,
    clientTls:
      client &&
      tlsOf(
        pemAt('tls.client.ca', client.ca),
        pemAt('tls.client.cert', client.cert),
        pemAt('tls.client.key', client.key),
      ),
  };
}

/** The texts, once it is sure that TLS can do something with them: it would not say which file is wrong. */
function tlsOf(ca: Pem, cert: Pem, key: Pem): PeerTls {
  parse(ca, 'certificate', () => new X509Certificate(ca.text));
  const certificate = parse(cert, 'certificate', () => new X509Certificate(cert.text));
  const privateKey = parse(key, 'private key', () => createPrivateKey(key.text));
  if (!certificate.checkPrivateKey(privateKey))
    throw new ConfigError(`${key.where} is not the key of the certificate in ${cert.where}`);
  return { ca: ca.text, cert: cert.text, key: key.text };
}

function parse<T>({ where }: Pem, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new ConfigError(`${where} is no ${what} in PEM form: ${(cause as Error).message}`, { cause });
  }
}

function parseConfig(path: string): NodeConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const result = nodeConfigSchema.safeParse(parsed);
  if (result.success) return result.data;
  throw new ConfigError(`${path} is no node configuration:\n${z.prettifyError(result.error)}`, { cause: result.error });
}

interface Pem {
  readonly text: string;
  /** The configuration's path, the field, and the file that it names. */
  readonly where: string;
}

function readPem(path: string, field: string, file: string): Pem {
  try {
    return { text: readFileSync(file, 'utf8'), where: `${path}: ${field}: ${file}` };
  } catch (error) {
    throw new ConfigError(`${path}: ${field}: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
