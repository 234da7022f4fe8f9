/** OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): reading, matching, judging. Pure. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface KnownHostLine {
  marker: 'none' | 'revoked' | 'certAuthority';
  /** Comma-separated patterns, or one hashed name: "|1|salt|hash". */
  names: string;
  keyType: string;
  /** The key in SSH's wire format, base64. */
  publicKey: string;
}

/** A key that a host showed during the key exchange. */
export interface OfferedHostKey {
  address: string;
  port: number;
  /** "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", … */
  keyType: string;
  /** "SHA256:" and unpadded base64, as ssh-keygen -l prints it. */
  fingerprint: string;
  /** SSH wire format, base64. */
  publicKey: string;
}

export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked';

/** Lines that cannot be read are left out, as ssh does. */
export function parseKnownHosts(text: string): KnownHostLine[] {
  return text.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const marker = words[0] === '@revoked' ? 'revoked' : words[0] === '@cert-authority' ? 'certAuthority' : 'none';
    const [names, keyType, publicKey] = marker === 'none' ? words : words.slice(1);
    if (names === undefined || names.startsWith('#') || keyType === undefined || publicKey === undefined) return [];
    if (keyTypeOf(Buffer.from(publicKey, 'base64')) !== keyType) return [];
    return [{ marker, names, keyType, publicKey } satisfies KnownHostLine];
  });
}

/** Reads the offered key out of its wire format. */
export function offeredHostKey(wireKey: Buffer, place: { address: string; port: number }): OfferedHostKey {
  return {
    address: place.address,
    port: place.port,
    keyType: keyTypeOf(wireKey) ?? 'unreadable',
    fingerprint: fingerprintOf(wireKey),
    publicKey: wireKey.toString('base64'),
  };
}

/** "SHA256:…" of a key in wire format. */
export function fingerprintOf(wireKey: Buffer): string {
  return `SHA256:${createHash('sha256').update(wireKey).digest('base64').replace(/=+$/, '')}`;
}

/** How a place is named in known_hosts: bare on port 22, else "[address]:port". */
export function knownHostName(place: { address: string; port: number }): string {
  const address = place.address.toLowerCase();
  return place.port === 22 ? address : `[${address}]:${place.port}`;
}

/**
 * Stricter than ssh in one point: a host that is known by keys of other types only is `changed`, not `unknown`. Known types are
 * preferred in the key exchange, so an honest host shows a known key; an impostor would show a type never seen before.
 */
export function judgeHostKey(lines: readonly KnownHostLine[], offered: OfferedHostKey): HostKeyVerdict {
  const ofHost = linesOf(lines, offered);
  const isOffered = (line: KnownHostLine): boolean => line.publicKey === offered.publicKey;
  if (ofHost.some((line) => line.marker === 'revoked' && isOffered(line))) return 'revoked';
  const plain = ofHost.filter((line) => line.marker === 'none');
  if (plain.some(isOffered)) return 'known';
  return plain.length === 0 ? 'unknown' : 'changed';
}

/** Types of the keys that are already known for this place, in file order. */
export function knownKeyTypes(lines: readonly KnownHostLine[], place: { address: string; port: number }): string[] {
  const types = linesOf(lines, place).filter((line) => line.marker === 'none');
  return [...new Set(types.map((line) => line.keyType))];
}

function linesOf(lines: readonly KnownHostLine[], place: { address: string; port: number }): KnownHostLine[] {
  const name = knownHostName(place);
  return lines.filter((line) => matchesNames(line.names, name));
}

function matchesNames(names: string, name: string): boolean {
  if (names.startsWith('|')) return matchesHashed(names, name);
  const patterns = names.toLowerCase().split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), name))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(pattern, name));
}

/** "|1|salt|hash": HMAC-SHA1 of the name under the salt (ssh-keygen -H). */
function matchesHashed(hashedName: string, name: string): boolean {
  const [, version, salt, hash] = hashedName.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}

/** The type that stands at the start of a key in wire format; null: not a key. */
function keyTypeOf(wireKey: Buffer): string | null {
  if (wireKey.length < 4) return null;
  const length = wireKey.readUInt32BE(0);
  return length > 0 && length <= 64 && wireKey.length > 4 + length ? wireKey.toString('latin1', 4, 4 + length) : null;
}
