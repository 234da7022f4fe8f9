/** Which host key algorithms are offered, and in which order. Pure. */
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { type KnownHostLine, knownKeyTypes } from './known-hosts.ts';
import { matchesPatternList } from './patterns.ts';
import type { SshTarget } from './target.ts';

const USUAL: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];
/** Signs with SHA-1: only where the configuration names it. */
const BY_WISH: ServerHostKeyAlgorithm = 'ssh-rsa';

/**
 * As ssh does it: types that are known for the host first, so that one with several keys shows a known one. A list that is
 * configured keeps its order. Empty: none of the configured ones is among those of Synod's own SSH.
 */
export function hostKeyAlgorithms(target: SshTarget, knownHosts: readonly KnownHostLine[]): ServerHostKeyAlgorithm[] {
  const wish = target.hostKeyAlgorithms ?? '';
  const list = wish.replace(/^[+^-]/, '');
  const named = [...USUAL, BY_WISH].filter((algorithm) => matchesPatternList(list, algorithm));
  if (wish !== '' && !/^[+^-]/.test(wish)) return inOrderOf(list, named);
  const known = knownKeyTypes(knownHosts, target);
  const isKnown = (algorithm: ServerHostKeyAlgorithm): boolean =>
    known.includes(algorithm.startsWith('rsa-sha2-') ? 'ssh-rsa' : algorithm);
  const preferred = [...USUAL.filter(isKnown), ...USUAL.filter((algorithm) => !isKnown(algorithm))];
  if (wish.startsWith('+')) return [...new Set([...preferred, ...named])];
  if (wish.startsWith('^')) return [...new Set([...inOrderOf(list, named), ...preferred])];
  return wish.startsWith('-') ? preferred.filter((algorithm) => !named.includes(algorithm)) : preferred;
}

function inOrderOf(list: string, named: readonly ServerHostKeyAlgorithm[]): ServerHostKeyAlgorithm[] {
  const ordered = list.split(',').flatMap((pattern) => named.filter((one) => matchesPatternList(pattern, one)));
  return [...new Set(ordered)];
}
