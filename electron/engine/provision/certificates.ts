/**
 * Certificates of a cluster. Each cluster has its own authority, whose key never leaves the state folder; it signs one peer
 * and one client-API certificate per node, and one certificate for the operator's etcd clients. Being signed by the
 * cluster's authority is what makes a node a peer, so clusters cannot mix.
 *
 * Leaf certificates live for five years, the authority for ten; `rotation.ts` replaces them. `notBefore` lies a day back, so that
 * hosts whose clocks are behind accept them.
 */
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CLOCK_SKEW_MS = DAY_MS;
const AUTHORITY_DAYS = 3652;
const LEAF_DAYS = 1826;

/** A certificate and its private key (PKCS #8), both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** A new authority, `CN=synod <clusterId>`. */
export async function createAuthority(clusterId: string, nowUnixMs: number): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [`synod ${clusterId}`] }],
    ...validity(nowUnixMs, AUTHORITY_DAYS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

export interface LeafRequest {
  readonly commonName: string;
  /** Addresses and DNS names under which it is reached. */
  readonly hosts: readonly string[];
  readonly uris: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
}

/** Between nodes, in both directions: CN is the node's id, and `synod:<nodeId>` stands among its alternative names. */
export function peerLeaf(nodeId: string, address: string): LeafRequest {
  return { commonName: nodeId, hosts: [address], uris: [`synod:${nodeId}`], usages: ['server', 'client'] };
}

/** What the client API of a node shows. Also client, since etcd's tools use one certificate for both in places. */
export function clientApiLeaf(nodeId: string, address: string): LeafRequest {
  const hosts = [...new Set([address, 'localhost', '127.0.0.1', '::1'])];
  return { commonName: nodeId, hosts, uris: [], usages: ['server'] };
}

/** For etcdctl and the console itself. */
export function operatorLeaf(): LeafRequest {
  return { commonName: 'operator', hosts: [], uris: [], usages: ['client'] };
}

/** Issues a certificate with a new key. Throws when `authority` is not a readable pair. */
export async function issue(authority: KeyPair, leaf: LeafRequest, nowUnixMs: number): Promise<KeyPair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const names: x509.JsonGeneralNames = [
    ...leaf.hosts.map((host) => ({ type: isIP(host) ? ('ip' as const) : ('dns' as const), value: host })),
    ...leaf.uris.map((value) => ({ type: 'url' as const, value })),
  ];
  const usages = leaf.usages.map((usage) => x509.ExtendedKeyUsage[usage === 'server' ? 'serverAuth' : 'clientAuth']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [leaf.commonName] }],
    issuer: issuer.subject,
    ...validity(nowUnixMs, LEAF_DAYS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) };
}

/** The first certificate of a PEM text, with a line break at its end. Throws RangeError when there is none. */
export function firstCertificate(text: string): string {
  const [first] = certificatesIn(text);
  if (first === undefined) throw new RangeError('there is no certificate in PEM form');
  return first;
}

/** All of them, each with a line break at its end. */
export function certificatesIn(text: string): string[] {
  return (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => `${one}\n`);
}

/** 127 random bits: positive and without a sign byte (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function validity(nowUnixMs: number, days: number) {
  return { notBefore: new Date(nowUnixMs - CLOCK_SKEW_MS), notAfter: new Date(nowUnixMs + days * DAY_MS) };
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY').trim()}\n`;
}

function importKey(text: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(text);
  if (!der) throw new Error('the authority has no key');
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}
