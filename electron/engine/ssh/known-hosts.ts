/** OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): reading, matching, judging. Pure. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { matchesPatternList } from './patterns.ts';

export interface KnownHostLine {
  /** The file, and the line in it, from 1. */
  path: string;
  number: number;
  marker: 'none' | 'revoked' | 'certAuthority';
  /** Comma-separated patterns, or one hashed name: "|1|salt|hash". */
  names: string;
  keyType: string;
  /** The key in SSH's wire format, base64. */
  publicKey: string;
}

/** Under what a host's key is looked up. */
export interface HostKeyPlace {
  address: string;
  port: number;
  /** Looked up instead of address and port (HostKeyAlias). */
  hostKeyAlias?: string | undefined;
}

/** A key that a host showed during the key exchange. */
export interface OfferedHostKey extends HostKeyPlace {
  /** "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", … */
  keyType: string;
  /** "SHA256:" and unpadded base64, as ssh-keygen -l prints it. */
  fingerprint: string;
  /** SSH wire format, base64. */
  publicKey: string;
}

/** `line`: what speaks against the key; `changed`: the known key of the same type if there is one. */
export type HostKeyJudgement =
  | { verdict: 'known' | 'unknown' }
  | { verdict: 'changed' | 'revoked'; line: KnownHostLine };

/** Lines that cannot be read are left out, as ssh does. */
export function parseKnownHosts(text: string, path = ''): KnownHostLine[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.trim().split(/\s+/);
    const marker = words[0] === '@revoked' ? 'revoked' : words[0] === '@cert-authority' ? 'certAuthority' : 'none';
    const [names, keyType, publicKey] = marker === 'none' ? words : words.slice(1);
    if (names === undefined || names.startsWith('#') || keyType === undefined || publicKey === undefined) return [];
    if (keyTypeOf(Buffer.from(publicKey, 'base64')) !== keyType) return [];
    return [{ path, number: index + 1, marker, names, keyType, publicKey } satisfies KnownHostLine];
  });
}

/** Reads the offered key out of its wire format. */
export function offeredHostKey(wireKey: Buffer, place: HostKeyPlace): OfferedHostKey {
  return {
    address: place.address,
    port: place.port,
    hostKeyAlias: place.hostKeyAlias,
    keyType: keyTypeOf(wireKey) ?? 'unreadable',
    fingerprint: fingerprintOf(wireKey),
    publicKey: wireKey.toString('base64'),
  };
}

/** "SHA256:…" of a key in wire format. */
export function fingerprintOf(wireKey: Buffer): string {
  return `SHA256:${createHash('sha256').update(wireKey).digest('base64').replace(/=+$/, '')}`;
}

/** How a place is named in known_hosts: its alias, bare on port 22, else "[address]:port". */
export function knownHostName(place: HostKeyPlace): string {
  const address = place.address.toLowerCase();
  return place.hostKeyAlias ?? (place.port === 22 ? address : `[${address}]:${place.port}`);
}

/**
 * Stricter than ssh in one point: a host that is known by keys of other types only is `changed`, not `unknown`. Known types are
 * preferred in the key exchange, so an honest host shows a known key; an impostor would show a type never seen before.
 */
export function judgeHostKey(lines: readonly KnownHostLine[], offered: OfferedHostKey): HostKeyJudgement {
  const ofHost = linesOf(lines, offered);
  const isOffered = (line: KnownHostLine): boolean => line.publicKey === offered.publicKey;
  const revoked = ofHost.find((line) => line.marker === 'revoked' && isOffered(line));
  if (revoked) return { verdict: 'revoked', line: revoked };
  const plain = ofHost.filter((line) => line.marker === 'none');
  if (plain.some(isOffered)) return { verdict: 'known' };
  const other = plain.find((line) => line.keyType === offered.keyType) ?? plain[0];
  if (other) return { verdict: 'changed', line: other };
  // As ssh: a host on another port is the one known without a port, if it shows that one's key.
  const bare = linesOf(lines, { address: offered.address, port: 22 });
  const isSame = offered.hostKeyAlias === undefined && bare.some((line) => line.marker === 'none' && isOffered(line));
  const isRevoked = bare.some((line) => line.marker === 'revoked' && isOffered(line));
  return { verdict: isSame && !isRevoked ? 'known' : 'unknown' };
}

/** Types of the keys that are already known for this place, in file order. */
export function knownKeyTypes(lines: readonly KnownHostLine[], place: HostKeyPlace): string[] {
  const types = linesOf(lines, place).filter((line) => line.marker === 'none');
  return [...new Set(types.map((line) => line.keyType))];
}

/** Those of all markers that speak of this place. */
function linesOf(lines: readonly KnownHostLine[], place: HostKeyPlace): KnownHostLine[] {
  const name = knownHostName(place);
  return lines.filter(({ names }) =>
    names.startsWith('|') ? matchesHashed(names, name) : matchesPatternList(names.toLowerCase(), name.toLowerCase()),
  );
}

/** "|1|salt|hash": HMAC-SHA1 of the name under the salt (ssh-keygen -H). */
function matchesHashed(hashedName: string, name: string): boolean {
  const [, version, salt, hash] = hashedName.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** The type that stands at the start of a key in wire format; null: not a key. */
function keyTypeOf(wireKey: Buffer): string | null {
  if (wireKey.length < 4) return null;
  const length = wireKey.readUInt32BE(0);
  return length > 0 && length <= 64 && wireKey.length > 4 + length ? wireKey.toString('latin1', 4, 4 + length) : null;
}
