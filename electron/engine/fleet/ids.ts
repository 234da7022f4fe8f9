/** Ids of everything the engine names: a letter for the kind, a hyphen, and 8 random letters or digits. Never reused. */
import { randomInt } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 8;

/** Host, cluster, node, operation, fault, console. */
export type IdKind = 'h' | 'c' | 'n' | 'o' | 'f' | 'k';

export function newId(kind: IdKind): string {
  let id = `${kind}-`;
  for (let at = 0; at < LENGTH; at++) id += ALPHABET[randomInt(ALPHABET.length)];
  return id;
}
