/** Reads the configuration and the files that it names; every failure says which file and which field. */
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
  const read = (field: string, file: string) => readPem(path, field, at(file));
  return {
    config,
    self,
    contacts: named,
    dataDir: at(config.dataDir),
    birthPath: at(config.birthFile),
    adminSocket,
    peerTls: {
      ca: read('tls.ca', ca),
      cert: read('tls.peerCert', peerCert),
      key: read('tls.peerKey', peerKey),
    },
    clientTls: client && {
      ca: read('tls.client.ca', client.ca),
      cert: read('tls.client.cert', client.cert),
      key: read('tls.client.key', client.key),
    },
  };
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

function readPem(path: string, field: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${path}: ${field}: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
