/** Free ports at an address of this computer, for lab hosts. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { DEFAULT_CLIENT_PORT, DEFAULT_PEER_PORT } from '../plan/cluster-plan.ts';

/** Below the range from which systems take ports for outgoing connections (ip_local_port_range), so they stay free. */
const OFFSETS = [0, 10_000, 20_000, 11_000, 21_000, 12_000, 22_000];

/** The usual ports, or the same ones some thousands higher. `taken`: not these. Throws Error when none of them is free. */
export async function freeLabPorts(
  address: string,
  taken: ReadonlySet<number>,
): Promise<{ peerPort: number; clientPort: number }> {
  for (const offset of OFFSETS) {
    const peerPort = DEFAULT_PEER_PORT + offset;
    const clientPort = DEFAULT_CLIENT_PORT + offset;
    if (taken.has(peerPort) || taken.has(clientPort)) continue;
    if ((await isFree(address, peerPort)) && (await isFree(address, clientPort))) return { peerPort, clientPort };
  }
  throw new Error(`no free ports at ${address}`);
}

async function isFree(address: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, address);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
