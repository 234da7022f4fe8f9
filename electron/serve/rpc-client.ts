/** A client of the contract on a WebSocket, whichever door it came by. */
import type { Context } from '@orpc/server';
import type { RPCHandler } from '@orpc/server/ws';
import type { WebSocket } from 'ws';

/** One message of the contract; the largest that a client sends is a partition of 1,000 links. */
export const MAX_MESSAGE_BYTES = 1 << 20;

/** Serves the contract; a client that breaks the protocol loses its connection, and nothing else happens. */
export function admitClient(socket: WebSocket, rpc: RPCHandler<Context>): void {
  // Without a listener a malformed frame would end the process.
  socket.on('error', () => socket.terminate());
  rpc.upgrade(socket, { context: {} }).catch(() => socket.terminate());
}
