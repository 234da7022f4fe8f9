import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { clientApiLeaf, createAuthority, issue, type KeyPair, operatorLeaf, peerLeaf } from './certificates.ts';

const now = Date.now();

/** The server's view of a mutual TLS connection: who the client is, or why it was refused. */
async function handshake(server: KeyPair, client: KeyPair, authority: KeyPair): Promise<string> {
  const ca = authority.certificate;
  const listener = createServer({ ca, cert: server.certificate, key: server.key, requestCert: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, ca, cert: client.certificate, key: client.key });
  socket.on('error', () => undefined);
  try {
    const outcome = Promise.race([
      once(listener, 'secureConnection').then(
        ([peer]) => `welcome ${String((peer as TLSSocket).getPeerCertificate().subject.CN)}`,
      ),
      once(listener, 'tlsClientError').then(([error]) => `refused ${(error as NodeJS.ErrnoException).code}`),
    ]);
    return await outcome;
  } finally {
    socket.destroy();
    listener.close();
  }
}

describe('certificates of a cluster', () => {
  it('are valid a day back, name the node, and verify with OpenSSL', async () => {
    const authority = await createAuthority('c-aaaaaaaa', now);
    const ca = new X509Certificate(authority.certificate);
    expect(ca.ca).toBe(true);
    const peer = new X509Certificate((await issue(authority, peerLeaf('n-aaaaaaaa', '192.0.2.7'), now)).certificate);
    expect(peer.verify(ca.publicKey) && peer.checkIssued(ca)).toBe(true);
    expect(peer.subject).toBe('CN=n-aaaaaaaa');
    expect(peer.subjectAltName).toBe('IP Address:192.0.2.7, URI:synod:n-aaaaaaaa');
    expect(Date.parse(peer.validFrom)).toBeLessThan(now - 3_600_000);
    const api = new X509Certificate(
      (await issue(authority, clientApiLeaf('n-aaaaaaaa', 'db1.example'), now)).certificate,
    );
    expect(api.checkHost('db1.example')).toBe('db1.example');
    expect(api.checkHost('localhost')).toBe('localhost');
  });

  it('let peers and the operator in, and nobody of another cluster', async () => {
    const authority = await createAuthority('c-aaaaaaaa', now);
    const other = await createAuthority('c-bbbbbbbb', now);
    const server = await issue(authority, peerLeaf('n-aaaaaaaa', '127.0.0.1'), now);
    const peer = await issue(authority, peerLeaf('n-bbbbbbbb', '127.0.0.1'), now);
    const operator = await issue(authority, operatorLeaf(), now);
    const stranger = await issue(other, peerLeaf('n-bbbbbbbb', '127.0.0.1'), now);
    expect(await handshake(server, peer, authority)).toBe('welcome n-bbbbbbbb');
    expect(await handshake(server, operator, authority)).toBe('welcome operator');
    expect(await handshake(server, stranger, authority)).toMatch(/^refused/);
  });
});
