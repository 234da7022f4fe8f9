/**
 * A cluster's keys on the engine's computer: `clusters/<clusterId>/` in the state folder, folders 0700 and files 0600. They
 * are made once and read from then on, so that provisioning again puts the same certificates on the hosts; while they are
 * replaced (`key-rotation.ts`), what is read follows the phase. Losing this folder means that no node can be added and no client let
 * in; it is removed last when a cluster is destroyed.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredMember } from '../fleet/records.ts';
import { FailureError } from '../operations/failure.ts';
import {
  certificatesIn,
  clientApiLeaf,
  createAuthority,
  firstCertificate,
  issue,
  type KeyPair,
  type LeafRequest,
  operatorLeaf,
  peerLeaf,
} from './certificates.ts';
import { loadCertificate, loadKey, loadPair, savePair } from './key-files.ts';
import { KeyRotation, type Rotation } from './key-rotation.ts';

export interface NodeKeys {
  /** What the node trusts: one certificate, or two while the authority is replaced. */
  readonly authority: string;
  readonly peer: KeyPair;
  readonly client: KeyPair;
}

/** What the console has of a cluster's authority. */
export interface AuthorityHere {
  /** PEM; empty: none was made or taken over yet. */
  readonly certificates: readonly string[];
  /** null: this console cannot sign. */
  readonly pair: KeyPair | null;
}

/** Paths for etcd clients. */
export interface AccessFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const AUTHORITY = 'ca';

export class ClusterKeys {
  readonly #dir: string;
  readonly #clusterId: string;
  readonly #clock: () => number;
  readonly rotation: KeyRotation;

  constructor(options: { clustersDir: string; clusterId: string; clock: () => number }) {
    this.#dir = join(options.clustersDir, options.clusterId);
    this.#clusterId = options.clusterId;
    this.#clock = options.clock;
    this.rotation = new KeyRotation({ dir: this.#dir, clusterId: options.clusterId, clock: options.clock });
  }

  /** Makes what is missing of the authority and the operator's certificate. */
  async ensure(): Promise<void> {
    const authority = await this.#authority();
    if ((await loadPair([this.#dir], 'operator')) === null)
      await savePair(this.#dir, 'operator', await issue(authority, operatorLeaf(), this.#clock()));
  }

  /** The node's certificates, made when they are asked for first. */
  async ofNode(member: StoredMember): Promise<NodeKeys> {
    const standing = await this.#standing();
    const authority = await this.#authority();
    const leaf = async (name: string, request: LeafRequest) =>
      (await loadPair(standing.leaves, name)) ??
      savePair(standing.home, name, await issue(authority, request, this.#clock()));
    const [peer, client] = await Promise.all([
      leaf(`${member.nodeId}-peer`, peerLeaf(member.nodeId, member.address)),
      leaf(`${member.nodeId}-client`, clientApiLeaf(member.nodeId, member.address)),
    ]);
    return { authority: await this.#trusted(standing, authority.certificate), peer, client };
  }

  /** The node's certificates where all of them were made already; else null. Makes nothing. */
  async known(member: StoredMember): Promise<NodeKeys | null> {
    const standing = await this.#standing();
    const [authority, peer, client] = await Promise.all([
      loadCertificate(standing.authorities, AUTHORITY),
      loadPair(standing.leaves, `${member.nodeId}-peer`),
      loadPair(standing.leaves, `${member.nodeId}-client`),
    ]);
    return authority && peer && client ? { authority: await this.#trusted(standing, authority), peer, client } : null;
  }

  /** Makes nothing. While the authority is replaced, both are believed, and the one that signs is the phase's. */
  async authorityHere(): Promise<AuthorityHere> {
    const { authorities } = await this.#standing();
    const folders = [...authorities, this.#dir, this.rotation.nextDir];
    const texts = await Promise.all(folders.map((folder) => loadCertificate([folder], AUTHORITY)));
    const certificates = [...new Set(texts.flatMap((text) => (text === null ? [] : certificatesIn(text))))];
    const [certificate] = certificates;
    const key = await loadKey(authorities, AUTHORITY);
    return { certificates, pair: certificate === undefined || key === null ? null : { certificate, key } };
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

  /** Only one that is not there at all is made: while it is replaced, it is there; and where it was taken over, its key may not be. */
  async #authority(): Promise<KeyPair> {
    const { certificates, pair } = await this.authorityHere();
    if (pair === null && certificates.length > 0) throw noAuthorityKey(this.#clusterId);
    const made = pair ?? (await savePair(this.#dir, AUTHORITY, await createAuthority(this.#clusterId, this.#clock())));
    return { ...made, certificate: firstCertificate(made.certificate) };
  }

  /** `signing`: a certificate. */
  async #trusted({ trusts }: Standing, signing: string): Promise<string> {
    if (trusts === 'signing') return firstCertificate(signing);
    const both = [this.#dir, this.rotation.nextDir].map((folder) => loadCertificate([folder], AUTHORITY));
    return (await Promise.all(both)).map((text) => firstCertificate(text ?? '')).join('');
  }

  async #standing(): Promise<Standing> {
    return standingIn(await this.rotation.current(), { dir: this.#dir, next: this.rotation.nextDir });
  }
}

/** Which files count. */
interface Standing {
  /** Folders in which the nodes' pairs are looked for, the first that has one first; new ones are put in `home`. */
  readonly leaves: readonly string[];
  readonly home: string;
  /** The same for the authority that signs. */
  readonly authorities: readonly string[];
  readonly trusts: 'signing' | 'both';
}

function standingIn(rotation: Rotation | null, { dir, next }: { dir: string; next: string }): Standing {
  const trusts = rotation?.authority === true && rotation.phase !== 'settle' ? 'both' : 'signing';
  switch (rotation?.phase) {
    case undefined:
    case 'trustBoth':
    case 'handOut':
      return { leaves: [dir], home: dir, authorities: [dir], trusts };
    case 'renew':
    case 'forgetOld': {
      const authorities = rotation?.authority ? [next] : [dir];
      return { leaves: [next], home: next, authorities, trusts: rotation?.phase === 'renew' ? trusts : 'signing' };
    }
    case 'settle':
      return { leaves: [next, dir], home: dir, authorities: [next, dir], trusts };
  }
}

/** What only a console with the key can do was asked of one without it. */
export function noAuthorityKey(cluster: string): FailureError {
  return new FailureError({
    kind: 'noAuthorityKey',
    message: `This console took ${cluster} over without the key of its authority: it can watch it, restart and stop nodes, move leadership and take it down, but not change what its nodes run, add nodes or let clients in. Nothing was changed.`,
    nextStep: `On the console that has the key: synod cluster export-keys ${cluster} --out FILE. Then here: synod cluster import-keys FILE.`,
  });
}
