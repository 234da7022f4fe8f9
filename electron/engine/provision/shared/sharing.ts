/** Clusters and their keys from one console to another: the calls of the contract. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Adoption, AdoptionRequest } from '../../../contract/adoption.ts';
import { FailureError } from '../../operations/failure.ts';
import type { Operations } from '../../operations/operations.ts';
import { noAuthorityKey } from '../cluster-keys.ts';
import { keepAuthority } from './adopted-keys.ts';
import { type AdoptionParts, adopt, lookToAdopt } from './adoption.ts';
import { fingerprintOf } from './cluster-record.ts';
import { openAuthority, sealAuthority } from './sealed-keys.ts';
import type { SharedTruth } from './shared-truth.ts';

export interface SharingOptions extends Omit<AdoptionParts, 'known' | 'remember'> {
  readonly operations: Operations;
  readonly shared: SharedTruth;
}

export class Sharing {
  readonly #options: SharingOptions;
  readonly #parts: AdoptionParts;

  constructor(options: SharingOptions) {
    this.#options = options;
    const { shared } = options;
    this.#parts = {
      ...options,
      known: (clusterId) => shared.known(clusterId),
      remember: (clusterId, known) => shared.remember(clusterId, known),
    };
  }

  look(request: AdoptionRequest): Promise<Adoption> {
    return lookToAdopt(this.#parts, request);
  }

  /** Throws FailureError `busy` while an operation runs on a cluster that is here already. */
  async adopt(request: AdoptionRequest & { digest: string }): Promise<Adoption> {
    const running = this.#options.operations.running().find(({ clusterId }) => clusterId !== null);
    if (running)
      throw new FailureError({
        kind: 'busy',
        message: `"${running.title}" is still running here.`,
        nextStep: 'Wait until that has ended.',
      });
    return adopt(this.#parts, request);
  }

  /** Throws FailureError `notFound`, `noAuthorityKey`. */
  async exportKeys({ clusterId, passphrase }: { clusterId: string; passphrase: string }) {
    const { store, keysOf } = this.#options;
    const cluster = store.getCluster(clusterId);
    if (cluster === null)
      throw new FailureError({
        kind: 'notFound',
        message: `There is no cluster ${clusterId}.`,
        nextStep: 'List the clusters again.',
      });
    const { pair } = await keysOf(clusterId).authorityHere();
    if (pair === null) throw noAuthorityKey(cluster.name);
    const sealed = await sealAuthority({ clusterId, name: cluster.name, pair }, passphrase);
    return { sealed, authority: fingerprintOf(pair.certificate) };
  }

  /** Throws FailureError `badKeyFile`, `wrongPassphrase`, `otherAuthority`. */
  async importKeys({ sealed, passphrase }: { sealed: string; passphrase: string }) {
    const { clustersDir, keysOf } = this.#options;
    const { clusterId, name, pair } = await openAuthority(sealed, passphrase);
    const keys = keysOf(clusterId);
    const here = await keys.authorityHere();
    const authority = fingerprintOf(pair.certificate);
    const before = here.certificates.map(fingerprintOf);
    if (before.length > 0 && !before.includes(authority))
      throw new FailureError({
        kind: 'otherAuthority',
        message: `This file has the authority ${authority} of ${name}, and this console knows ${before.join(', ')} as that of ${clusterId}. Nothing was changed.`,
        nextStep: `Find out which one is right. If the authority was renewed: synod cluster adopt --authority ${authority} with its hosts first.`,
      });
    const dir = join(clustersDir, clusterId);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await keepAuthority(dir, pair, here);
    await keys.ensure();
    return { clusterId, name, authority };
  }
}
