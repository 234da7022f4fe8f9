/**
 * A cluster's keys on the engine's computer: `clusters/<clusterId>/` in the state folder, folders 0700 and files 0600. They
 * are made once and read from then on, so that provisioning again puts the same certificates on the hosts; while they are
 * replaced (`key-rotation.ts`), what is read follows the phase. Losing this folder means that no node can be added and no client let
 * in; it is removed last when a cluster is destroyed.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredMember } from '../fleet/records.ts';
import {
  clientApiLeaf,
  createAuthority,
  firstCertificate,
  issue,
  type KeyPair,
  type LeafRequest,
  operatorLeaf,
  peerLeaf,
} from './certificates.ts';
import { loadPair, savePair } from './key-files.ts';
import { KeyRotation, type Rotation } from './key-rotation.ts';

export interface NodeKeys {
  /** What the node trusts: one certificate, or two while the authority is replaced. */
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
    const standing = await this.#standing();
    const authority = await this.#authority(standing);
    if ((await loadPair([this.#dir], 'operator')) === null)
      await savePair(this.#dir, 'operator', await issue(authority, operatorLeaf(), this.#clock()));
  }

  /** The node's certificates, made when they are asked for first. */
  async ofNode(member: StoredMember): Promise<NodeKeys> {
    const standing = await this.#standing();
    const authority = await this.#authority(standing);
    const leaf = async (name: string, request: LeafRequest) =>
      (await loadPair(standing.leaves, name)) ??
      savePair(standing.home, name, await issue(authority, request, this.#clock()));
    const [peer, client] = await Promise.all([
      leaf(`${member.nodeId}-peer`, peerLeaf(member.nodeId, member.address)),
      leaf(`${member.nodeId}-client`, clientApiLeaf(member.nodeId, member.address)),
    ]);
    return { authority: await this.#trusted(standing, authority), peer, client };
  }

  /** The node's certificates where all of them were made already; else null. Makes nothing. */
  async known(member: StoredMember): Promise<NodeKeys | null> {
    const standing = await this.#standing();
    const [authority, peer, client] = await Promise.all([
      loadPair(standing.authorities, AUTHORITY),
      loadPair(standing.leaves, `${member.nodeId}-peer`),
      loadPair(standing.leaves, `${member.nodeId}-client`),
    ]);
    return authority && peer && client ? { authority: await this.#trusted(standing, authority), peer, client } : null;
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

  /** Only one that is not there at all is made: while it is replaced, it is there. */
  async #authority({ authorities }: Standing): Promise<KeyPair> {
    const pair =
      (await loadPair(authorities, AUTHORITY)) ??
      (await savePair(this.#dir, AUTHORITY, await createAuthority(this.#clusterId, this.#clock())));
    return { ...pair, certificate: firstCertificate(pair.certificate) };
  }

  async #trusted({ trusts }: Standing, signing: KeyPair): Promise<string> {
    if (trusts === 'signing') return firstCertificate(signing.certificate);
    const both = [this.#dir, this.rotation.nextDir].map((folder) => loadPair([folder], AUTHORITY));
    return (await Promise.all(both)).map((pair) => firstCertificate(pair?.certificate ?? '')).join('');
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
