/** Until when the certificates of a cluster are valid, by the files on the engine's computer, and what should be done about it. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RENEW_CERTIFICATES_BEFORE_MS } from '../../contract/certificates.ts';
import type { KeyRotation } from './key-rotation.ts';

/** Files are looked at again after so long. */
const KNOWN_FOR_MS = 60_000;

export class CertificateDates {
  readonly #clustersDir: string;
  readonly #clock: () => number;
  readonly #known = new Map<string, { readonly atUnixMs: number; readonly expireAtUnixMs: number | null }>();

  constructor(options: { clustersDir: string; clock: () => number }) {
    this.#clustersDir = options.clustersDir;
    this.#clock = options.clock;
  }

  /** When the first of them expires, milliseconds since 1970; null: there are none yet, or they cannot be read. */
  expireAtUnixMs(clusterId: string): number | null {
    const known = this.#known.get(clusterId);
    const nowUnixMs = this.#clock();
    if (known !== undefined && Math.abs(nowUnixMs - known.atUnixMs) < KNOWN_FOR_MS) return known.expireAtUnixMs;
    const expireAtUnixMs = firstExpiry(join(this.#clustersDir, clusterId));
    this.#known.set(clusterId, { atUnixMs: nowUnixMs, expireAtUnixMs });
    return expireAtUnixMs;
  }
}

function firstExpiry(folder: string): number | null {
  try {
    const files = readdirSync(folder).filter((name) => name.endsWith('.pem'));
    const dates = files.map((name) => new X509Certificate(readFileSync(join(folder, name))).validToDate.getTime());
    return dates.length === 0 ? null : Math.min(...dates);
  } catch {
    return null;
  }
}

/** For a plan: what is to be done about the certificates, one sentence each. */
export async function certificateWarnings(
  cluster: { readonly name: string; readonly clusterId: string },
  at: { readonly dates: CertificateDates; readonly rotation: KeyRotation; readonly nowUnixMs: number },
): Promise<string[]> {
  const command = `synod cluster rotate-certificates ${cluster.name}`;
  const rotation = await at.rotation.current();
  const expireAtUnixMs = at.dates.expireAtUnixMs(cluster.clusterId);
  const warnings: string[] = [];
  if (rotation !== null)
    warnings.push(
      `The replacement of its certificates is not finished (${rotation.phase}); go on with \`${command}\`.`,
    );
  if (expireAtUnixMs !== null && expireAtUnixMs - at.nowUnixMs < RENEW_CERTIFICATES_BEFORE_MS) {
    const date = new Date(expireAtUnixMs).toISOString().slice(0, 10);
    const verb = expireAtUnixMs < at.nowUnixMs ? 'expired' : 'expires';
    warnings.push(`The first of its certificates ${verb} on ${date}; replace them with \`${command}\`.`);
  }
  return warnings;
}
