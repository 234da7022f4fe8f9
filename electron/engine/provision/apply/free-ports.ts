/** Free ports at an address of this computer, for lab hosts. */
import { randomInt } from 'node:crypto';
import { canBind } from '../../lab/ports.ts';

/** Below the range from which systems take ports for outgoing connections (ip_local_port_range), so they stay free. */
const LOWEST = 10_240;
const HIGHEST = 32_000;
const TRIES = 50;

/**
 * Two neighbours, taken at random: a lab of another engine on this computer that chooses at the same time chooses others.
 * `taken`: not these. Throws Error when none is found.
 */
export async function freeLabPorts(
  address: string,
  taken: ReadonlySet<number>,
): Promise<{ peerPort: number; clientPort: number }> {
  for (let tried = 0; tried < TRIES; tried++) {
    const clientPort = randomInt(LOWEST, HIGHEST);
    const peerPort = clientPort + 1;
    if (taken.has(peerPort) || taken.has(clientPort)) continue;
    if ((await canBind(address, peerPort)) && (await canBind(address, clientPort))) return { peerPort, clientPort };
  }
  throw new Error(`no free ports at ${address}`);
}
