/**
 * A cluster's keys on the engine's computer: `clusters/<clusterId>/` in the state folder, folders 0700 and files 0600. They
 * are made once and read from then on, so that provisioning again puts the same certificates on the hosts. Losing this
 * folder means that no node can be added and no client let in; it is removed last when a cluster is destroyed.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoredMember } from '../fleet/records.ts';
import {
  clientApiLeaf,
  createAuthority,
  issue,
  type KeyPair,
  type LeafRequest,
  operatorLeaf,
  peerLeaf,
} from './certificates.ts';

export interface NodeKeys {
  readonly authority: string;
  readonly peer: KeyPair;
  readonly client: KeyPair;
}

/** Paths for etcd clients. */
export interface AccessFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class ClusterKeys {
  readonly #dir: string;
  readonly #clusterId: string;
  readonly #clock: () => number;

  constructor(options: { clustersDir: string; clusterId: string; clock: () => number }) {
    this.#dir = join(options.clustersDir, options.clusterId);
    this.#clusterId = options.clusterId;
    this.#clock = options.clock;
  }

  /** Makes what is missing of the authority and the operator's certificate. */
  async ensure(): Promise<void> {
    await this.#authority();
    await this.#leaf('operator', operatorLeaf());
  }

  /** The node's certificates, made when they are asked for first. */
  async ofNode(member: StoredMember): Promise<NodeKeys> {
    const authority = await this.#authority();
    const [peer, client] = await Promise.all([
      this.#leaf(`${member.nodeId}-peer`, peerLeaf(member.nodeId, member.address)),
      this.#leaf(`${member.nodeId}-client`, clientApiLeaf(member.nodeId, member.address)),
    ]);
    return { authority: authority.certificate, peer, client };
  }

  /** The node's certificates where all of them were made already; else null. Makes nothing. */
  async known(member: StoredMember): Promise<NodeKeys | null> {
    const [authority, peer, client] = await Promise.all([
      this.#load('ca'),
      this.#load(`${member.nodeId}-peer`),
      this.#load(`${member.nodeId}-client`),
    ]);
    return authority && peer && client ? { authority: authority.certificate, peer, client } : null;
  }

  access(): AccessFiles {
    return { ca: this.#file('ca.pem'), cert: this.#file('operator.pem'), key: this.#file('operator.key') };
  }

  async remove(): Promise<void> {
    await rm(this.#dir, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.#dir, name);
  }

  async #authority(): Promise<KeyPair> {
    return (await this.#load('ca')) ?? this.#save('ca', await createAuthority(this.#clusterId, this.#clock()));
  }

  async #leaf(name: string, request: LeafRequest): Promise<KeyPair> {
    const kept = await this.#load(name);
    if (kept) return kept;
    return this.#save(name, await issue(await this.#authority(), request, this.#clock()));
  }

  /** null when there is none. The key is written first, so a certificate without its key does not occur. */
  async #load(name: string): Promise<KeyPair | null> {
    const isThere = await stat(this.#file(`${name}.pem`)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (!isThere) return null;
    const [certificate, key] = await Promise.all([
      readFile(this.#file(`${name}.pem`), 'utf8'),
      readFile(this.#file(`${name}.key`), 'utf8'),
    ]);
    return { certificate, key };
  }

  async #save(name: string, pair: KeyPair): Promise<KeyPair> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await writeDurably(this.#file(`${name}.key`), pair.key);
    await writeDurably(this.#file(`${name}.pem`), pair.certificate);
    return pair;
  }
}

/** Whole or not at all, also over a power cut: written aside, synced, renamed, folder synced. Mode 0600. */
async function writeDurably(path: string, content: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}
