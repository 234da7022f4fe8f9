/** Addresses and ports on this computer that a lab may use. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below Linux's range for outgoing connections (32768 and up): those must not take a host's port while it is down. */
const LOWEST_PORT = 20_000;
const HIGHEST_PORT = 32_000;

/** The preferred port first, then others in case it is taken. */
export function portCandidates(preferred: number): number[] {
  return [preferred, ...Array.from({ length: 30 }, () => randomPort())];
}

export function randomPort(): number {
  return LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
}

/** 127.0.0.11 for the first host (number 1) and so on; 127.0.0.1 where such an address cannot be bound (macOS). */
export async function addressOfHost(number: number): Promise<string> {
  const address = `127.0.0.${10 + number}`;
  return (await canBind(address, 0)) ? address : '127.0.0.1';
}

/** Whether this computer can listen there now; port 0 asks about the address alone. */
export async function canBind(address: string, port: number): Promise<boolean> {
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
