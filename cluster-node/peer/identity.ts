/** Who is at the other end: the node id stands in the certificate as the URI `synod:<nodeId>` (SAN). */
import type { PeerCertificate, TLSSocket } from 'node:tls';

/** PEM texts. */
export interface PeerTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Every identity that the certificate claims. Its chain was verified by TLS already. */
function nodeIdsOf(subjectAltName: string | undefined): string[] {
  const names = (subjectAltName ?? '').split(', ');
  return names.filter((name) => name.startsWith('URI:synod:')).map((name) => name.slice('URI:synod:'.length));
}

export function peerNodeIds(socket: TLSSocket): string[] {
  return nodeIdsOf(socket.getPeerX509Certificate()?.subjectAltName);
}

/** For `tls.connect`: the name that counts is the node's id, not the address under which it was reached. */
export function checkNodeIdentity(nodeId: string): (host: string, certificate: PeerCertificate) => Error | undefined {
  return (host, certificate) => {
    const claimed = nodeIdsOf(certificate.subjectaltname);
    if (claimed.includes(nodeId)) return undefined;
    return new Error(
      `${host} showed a certificate for ${claimed.join(', ') || 'no node'} where ${nodeId} was expected`,
    );
  };
}
