/** An SSH server that stands for one host: its own address, host key and home; one user with one key. */
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import ssh2, { type AuthContext, type Connection, type Server } from 'ssh2';
import { type HostPlace, serveSession } from './host-session.ts';

export interface EmbeddedHostOptions {
  address: string;
  /** Tried in this order; the first that is free is taken. */
  ports: readonly number[];
  /** OpenSSH private key text. */
  hostKey: string;
  user: string;
  /** "ssh-ed25519 AAAA…": the only key that may log in. */
  clientPublicKey: string;
  place: HostPlace;
}

/** Listens; returns the server and the port it got. Throws the last port's error when none is free. */
export async function startEmbeddedHost(options: EmbeddedHostOptions): Promise<{ server: Server; sshPort: number }> {
  let problem: unknown = new Error('no port was given');
  for (const port of options.ports) {
    const server = makeServer(options);
    try {
      server.listen(port, options.address);
      await once(server, 'listening');
      return { server, sshPort: (server.address() as AddressInfo).port };
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

function makeServer(options: EmbeddedHostOptions): Server {
  const algorithms = { compress: ['none' as const] };
  return new ssh2.Server({ hostKeys: [options.hostKey], algorithms }, (client: Connection) => {
    (client as Connection & { setNoDelay: (noDelay: boolean) => void }).setNoDelay(true);
    // A client that vanishes is everyday life for an SSH server.
    client.on('error', () => {});
    client.on('authentication', (context) => authenticate(context, options));
    client.on('ready', () => {
      client.on('session', (accept) => serveSession(accept(), options.place));
    });
  });
}

function authenticate(context: AuthContext, options: EmbeddedHostOptions): void {
  if (context.method !== 'publickey' || context.username !== options.user) return context.reject(['publickey']);
  const allowed = ssh2.utils.parseKey(options.clientPublicKey);
  if (allowed instanceof Error) return context.reject();
  const wire = allowed.getPublicSSH();
  const sameKey =
    context.key.algo === allowed.type &&
    wire.length === context.key.data.length &&
    timingSafeEqual(wire, context.key.data);
  if (!sameKey) return context.reject(['publickey']);
  // Without a signature the client only asks whether this key would do.
  if (context.signature === undefined || context.blob === undefined) return context.accept();
  // ssh2's types say boolean, but what cannot be verified comes back as an Error, which is truthy.
  const verified: unknown = allowed.verify(context.blob, context.signature, context.hashAlgo);
  if (verified === true) context.accept();
  else context.reject(['publickey']);
}
