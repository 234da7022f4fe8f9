/**
 * Secrets of hosts, encrypted by the operating system (Keychain, DPAPI, Secret Service) and kept in one file of the state
 * folder. Where the system offers no encryption nothing is kept: plain text is never written.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { safeStorage } from 'electron';
import { z } from 'zod';

const fileSchema = z.record(z.string(), z.string());

export class SecretFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get(hostId: string): string | null {
    const sealed = this.#read()[hostId];
    return sealed === undefined ? null : safeStorage.decryptString(Buffer.from(sealed, 'base64'));
  }

  /** Throws when the operating system cannot encrypt. */
  set(hostId: string, secret: string): void {
    if (!canEncrypt()) throw new Error('this system offers no encryption for secrets, so the secret was not stored');
    this.#write({ ...this.#read(), [hostId]: safeStorage.encryptString(secret).toString('base64') });
  }

  delete(hostId: string): void {
    const { [hostId]: _removed, ...rest } = this.#read();
    this.#write(rest);
  }

  #read(): Record<string, string> {
    try {
      return fileSchema.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
  }

  #write(secrets: Record<string, string>): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#path}.new`, JSON.stringify(secrets), { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** On Linux without a keyring Electron falls back to a fixed key, which is no protection. */
function canEncrypt(): boolean {
  if (!safeStorage.isEncryptionAvailable()) return false;
  return process.platform !== 'linux' || safeStorage.getSelectedStorageBackend() !== 'basic_text';
}
