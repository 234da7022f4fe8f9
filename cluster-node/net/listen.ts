/** Listening with an error that says what to do. */
import type { Server } from 'node:net';

/** The address of a port that another process has, or that this host does not have. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

export function listenOn(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Names the port's purpose and the next step in place of a bare EADDRINUSE. Other errors pass unchanged. */
export async function explainListen<T>(
  { purpose, host, port }: { purpose: 'peer' | 'client'; host: string; port: number },
  listening: Promise<T>,
): Promise<T> {
  try {
    return await listening;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const field = purpose === 'peer' ? 'peerPort' : 'clientPort';
    if (code === 'EADDRINUSE')
      throw new ListenError(
        `the ${purpose} port ${host}:${port} is in use by another process; stop it or choose another ${field}`,
        { cause: error },
      );
    if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND')
      throw new ListenError(
        `cannot listen on ${host}:${port} (${code}); correct address or ${field} of this member in the configuration`,
        { cause: error },
      );
    throw error;
  }
}
