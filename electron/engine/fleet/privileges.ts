/** Root's rights on hosts, found out once a host and asked for where sudo wants a password. */
import type { SecretStore } from '../secrets.ts';
import { type Elevation, elevated, type Executor, findRights, tryPassword } from '../ssh/elevation.ts';
import { SshError } from '../ssh/ssh-error.ts';
import type { Hosts } from './hosts.ts';

/** Under which name sudo's password of a host is kept among the secrets. */
function sudoSecretOf(hostId: string): string {
  return `${hostId}/sudo`;
}

export class Privileges {
  readonly #hosts: Pick<Hosts, 'connection' | 'get'>;
  readonly #secrets: SecretStore;
  readonly #known = new Map<string, Elevation>();

  constructor(parts: { hosts: Pick<Hosts, 'connection' | 'get'>; secrets: SecretStore }) {
    this.#hosts = parts.hosts;
    this.#secrets = parts.secrets;
  }

  /** The host with root's rights. Throws SshError, also `sudoRefused` and `sudoPasswordNeeded`. */
  async root(hostId: string, signal?: AbortSignal): Promise<Executor> {
    return elevated(await this.#hosts.connection(hostId, signal), await this.elevation(hostId, signal));
  }

  /** How commands get root's rights there; for the rest as `root`. */
  async elevation(hostId: string, signal?: AbortSignal): Promise<Elevation> {
    const known = this.#known.get(hostId);
    if (known) return known;
    const found = await this.#find(hostId, signal);
    this.#known.set(hostId, found);
    return found;
  }

  /** sudo's password, for this session of the engine. */
  async provide(hostId: string, password: string): Promise<void> {
    await this.#secrets.set(sudoSecretOf(hostId), password);
    this.#known.delete(hostId);
  }

  async #find(hostId: string, signal: AbortSignal | undefined): Promise<Elevation> {
    const connection = await this.#hosts.connection(hostId, signal);
    const rights = await findRights(connection, signal);
    if (rights.kind === 'root') return rights;
    if (rights.kind === 'none') throw this.#refused(hostId, rights.said);
    if (rights.kind === 'sudo') return { kind: 'sudo', password: null, needsTerminal: rights.needsTerminal };
    const { auth } = this.#hosts.get(hostId);
    const given = await this.#secrets.get(sudoSecretOf(hostId));
    const password = given ?? (auth.kind === 'password' ? await this.#secrets.get(hostId) : null);
    if (password === null) throw this.#needed(hostId, 'sudo asks for the password');
    const elevation = { kind: 'sudo', password, needsTerminal: rights.needsTerminal } as const;
    const answer = await tryPassword(connection, elevation);
    if (answer === 'taken') return elevation;
    await this.#secrets.delete(sudoSecretOf(hostId));
    if (answer !== 'wrong') throw this.#refused(hostId, answer.refusal);
    throw this.#needed(hostId, 'sudo does not take the given password');
  }

  #refused(hostId: string, said: string): SshError {
    const { name, user } = this.#hosts.get(hostId);
    return new SshError({
      kind: 'sudoRefused',
      host: name,
      command: 'sudo -n true',
      stderr: said,
      problem: `${user} may not become root on ${name}: ${said}. Nothing was changed.`,
      nextStep: `Let ${user} run commands by sudo there (see \`sudo -l\`), log in as root, or use the home place, which needs no rights.`,
    });
  }

  #needed(hostId: string, what: string): SshError {
    const { name, user } = this.#hosts.get(hostId);
    return new SshError({
      kind: 'sudoPasswordNeeded',
      host: name,
      problem: `On ${name}, ${what} of ${user}. Nothing was changed.`,
      nextStep: 'Give it (--sudo-password-stdin); it is kept in memory only.',
    });
  }
}
