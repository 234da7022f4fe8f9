/** The keys of an SSH agent in the order in which they are worth offering: a host lets nobody try for long (MaxAuthTries is 6). */
import { readFile } from 'node:fs/promises';
import ssh2, { type BaseAgent, type IdentityCallback, type ParsedKey } from 'ssh2';

type Key = ParsedKey | string | Buffer;

/** An agent of which ssh2 sees what `choose` leaves of its keys. */
export class ChosenKeysAgent extends ssh2.BaseAgent<Key> {
  readonly #inner: BaseAgent<Key>;
  readonly #choose: (keys: readonly string[]) => readonly string[];
  /** Public keys (wire format, base64) that were offered; empty before ssh2 has asked. */
  offered: readonly string[] = [];

  constructor(socket: string, choose: (keys: readonly string[]) => readonly string[]) {
    super();
    this.#inner = ssh2.createAgent(socket);
    this.#choose = choose;
  }

  override getIdentities(callback: IdentityCallback<Key>): void {
    this.#inner.getIdentities((error, keys) => {
      if (error || keys === undefined) {
        callback(error ?? new Error('the agent named no keys'));
        return;
      }
      const byWire = new Map((keys as Key[]).map((key) => [wireOf(key), key] as const));
      this.offered = this.#choose([...byWire.keys()]);
      callback(
        null,
        this.offered.flatMap((wire) => byWire.get(wire) ?? []),
      );
    });
  }

  override sign(...signing: unknown[]): void {
    (this.#inner.sign as (...all: unknown[]) => void).apply(this.#inner, signing);
  }
}

/** `first` before others; with `only` nothing else. Pure. */
export function chooseKeys(
  keys: readonly string[],
  wish: { first: readonly string[]; only: boolean },
): readonly string[] {
  const named = wish.first.filter((key) => keys.includes(key));
  return wish.only ? named : [...named, ...keys.filter((key) => !named.includes(key))];
}

/**
 * The public key (wire format, base64) that belongs to a private key file, without its passphrase: from the file beside it, or
 * from the file itself, where OpenSSH's format has it in the clear. null: neither can be read.
 */
export async function publicKeyOf(path: string): Promise<string | null> {
  const text = async (file: string): Promise<string> => await readFile(file, 'utf8').catch(() => '');
  const beside = /^(?:ssh|ecdsa|sk)-\S+ (\S+)/.exec(await text(path.endsWith('.pub') ? path : `${path}.pub`))?.[1];
  return beside ?? publicPartOf(await text(path));
}

/** PROTOCOL.key of OpenSSH: a magic, cipher, derivation and its options, the number of keys, then the first public key. */
function publicPartOf(privateKey: string): string | null {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]+)-----END/.exec(privateKey)?.[1];
  if (body === undefined) {
    const parsed = ssh2.utils.parseKey(privateKey);
    return 'getPublicSSH' in parsed ? parsed.getPublicSSH().toString('base64') : null;
  }
  const bytes = Buffer.from(body, 'base64');
  let at = 'openssh-key-v1\0'.length;
  const next = (): Buffer => {
    const length = bytes.readUInt32BE(at);
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  try {
    next();
    next();
    next();
    at += 4;
    return next().toString('base64');
  } catch {
    return null;
  }
}

function wireOf(key: Key): string {
  if (key instanceof Buffer) return key.toString('base64');
  const parsed = typeof key === 'string' ? ssh2.utils.parseKey(key) : key;
  return 'getPublicSSH' in parsed ? parsed.getPublicSSH().toString('base64') : '';
}
