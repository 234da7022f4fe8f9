/**
 * The hosts of the fleet: which there are, how to log in, whether they are reachable, and what they are. One pooled
 * connection a host; its state is what the operator sees as reachability. A host is contacted when somebody asks for it,
 * never before.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { HostAddress, HostView } from '../../contract/model.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { SecretStore } from '../secrets.ts';
import type { HostConnection, HostConnectionState } from '../ssh/connection.ts';
import { trustHostKey } from '../ssh/host-keys.ts';
import { SshPool } from '../ssh/pool.ts';
import { sh } from '../ssh/shell-command.ts';
import { defaultAuth, type SshAuth, type SshTarget } from '../ssh/target.ts';
import { factsScript, type GatheredFacts, parseFacts } from './facts.ts';
import { newId } from './ids.ts';
import type { StoredHost } from './records.ts';
import type { FleetStore } from './store.ts';

export type Reachability = HostView['reachability'];

export interface HostsOptions {
  readonly store: FleetStore;
  readonly secrets: SecretStore;
  /** Synod's own known_hosts, in the state folder. */
  readonly knownHostsPath: string;
  /** The lab's own known_hosts: its hosts are made anew with new keys at the same addresses. null: there is no lab. */
  readonly labKnownHostsPath: string | null;
  readonly log: Logger;
  readonly clock: () => number;
}

/** A busy host has taken more than 20 s. */
const FACTS_TIMEOUT_MS = 60_000;

interface LiveHost {
  reachability: Reachability;
  gathered: GatheredFacts | null;
  clockOffsetMs: number | null;
  unsubscribe: () => void;
}

export class Hosts {
  readonly #options: HostsOptions;
  readonly #pool: SshPool;
  readonly #live = new Map<string, LiveHost>();
  readonly #listeners = new Set<(hostId: string) => void>();

  constructor(options: HostsOptions) {
    this.#options = options;
    const known = [options.knownHostsPath, join(homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'];
    this.#pool = new SshPool({ knownHostsPaths: known });
    for (const host of options.store.listHosts()) this.#observe(host);
  }

  /** Throws FailureError `notFound`. */
  get(hostId: string): StoredHost {
    const host = this.#options.store.getHost(hostId);
    if (host) return host;
    throw new FailureError({
      kind: 'notFound',
      message: `There is no host ${hostId}.`,
      nextStep: 'List the hosts again; it may have been removed.',
    });
  }

  /** What is known without contacting it; samples are not part of this. */
  view(hostId: string): HostView {
    const { place: _place, addedAtUnixMs: _added, ...host } = this.get(hostId);
    const live = this.#live.get(hostId);
    return {
      ...host,
      reachability: live?.reachability ?? unknownReachability(this.#options.clock()),
      sample: null,
      sampledAtUnixMs: null,
      clockOffsetMs: live?.clockOffsetMs ?? null,
      nodeIds: this.#options.store.listMembersOnHost(hostId).map((member) => member.nodeId),
    };
  }

  /** Calls back when a host's reachability or facts change; returns how to stop. */
  onChange(listener: (hostId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds and connects once; a host that cannot be reached is added all the same. Throws FailureError `duplicateHost`. */
  async add(address: HostAddress, origin: StoredHost['origin'] = 'operator'): Promise<HostView> {
    this.#refuseDuplicate(address);
    const host: StoredHost = {
      ...address,
      hostId: newId('h'),
      origin,
      addedAtUnixMs: this.#options.clock(),
      facts: null,
      place: null,
    };
    this.#options.store.putHost(host);
    this.#observe(host);
    await this.#tryGather(host.hostId);
    return this.view(host.hostId);
  }

  #refuseDuplicate(address: HostAddress): void {
    for (const host of this.#options.store.listHosts()) {
      const isSameLogin = host.address === address.address && host.port === address.port && host.user === address.user;
      if (!isSameLogin && host.name !== address.name) continue;
      throw new FailureError({
        kind: 'duplicateHost',
        message: isSameLogin
          ? `${address.user}@${address.address} port ${address.port} is in the fleet already, as ${host.name}.`
          : `A host named ${address.name} is in the fleet already.`,
        host: host.name,
        nextStep: isSameLogin ? `Use ${host.name}.` : 'Give it another name.',
      });
    }
  }

  /** Takes over another address, port, user or way to log in, and connects there. Throws FailureError `notFound`. */
  async move(hostId: string, address: HostAddress): Promise<void> {
    const host = this.get(hostId);
    this.#live.get(hostId)?.unsubscribe();
    this.#pool.remove(this.#bareTarget(host));
    const moved = { ...host, ...address };
    this.#options.store.putHost(moved);
    this.#observe(moved);
    await this.#tryGather(hostId);
  }

  /** Trusts the key that the host offered last, if `fingerprint` is that key's. Throws FailureError `noOfferedKey`, SshError. */
  async trustKey(hostId: string, fingerprint: string): Promise<HostView> {
    const state = this.#pool.known(await this.#targetOf(this.get(hostId))).state;
    const offered = state.kind === 'lost' && state.error.kind === 'hostKeyUnknown' ? state.error.offeredKey : null;
    if (!offered)
      throw new FailureError({
        kind: 'noOfferedKey',
        host: this.get(hostId).name,
        message: 'The host is not waiting for its key to be trusted.',
        nextStep: 'Check the host; it shows its key if that is not known.',
      });
    await trustHostKey({ path: this.#options.knownHostsPath, offered, confirmedFingerprint: fingerprint });
    await this.#tryGather(hostId);
    return this.view(hostId);
  }

  async provideSecret(hostId: string, secret: string): Promise<HostView> {
    this.get(hostId);
    await this.#options.secrets.set(hostId, secret);
    await this.#tryGather(hostId);
    return this.view(hostId);
  }

  /** The host's connection, connected. Throws SshError. */
  async connection(hostId: string, signal?: AbortSignal): Promise<HostConnection> {
    return this.#pool.connection(await this.#targetOf(this.get(hostId)), { signal });
  }

  /** Facts as they are now; kept in the store. Throws SshError, FailureError `badFacts`. */
  async gather(hostId: string, signal?: AbortSignal): Promise<GatheredFacts> {
    const host = this.get(hostId);
    const connection = await this.connection(hostId, signal);
    const askedAt = this.#options.clock();
    const { stdout } = await connection.exec(sh`/bin/sh -s`, {
      stdin: factsScript,
      timeoutMs: FACTS_TIMEOUT_MS,
      signal,
    });
    const answeredAt = this.#options.clock();
    const gathered = parseFacts(stdout, { host: host.name, nowUnixMs: answeredAt });
    const live = this.#live.get(hostId);
    if (live) {
      live.gathered = gathered;
      // The script reads the clock at its very end, so its time is nearer to the answer than to the question.
      live.clockOffsetMs = gathered.hostUnixMs === null ? null : offset(gathered.hostUnixMs, askedAt, answeredAt);
    }
    this.#options.store.putHost({ ...host, facts: gathered.facts, place: gathered.place });
    this.#changed(hostId);
    return gathered;
  }

  /** What was gathered last in this life of the engine; null: nothing. */
  gathered(hostId: string): GatheredFacts | null {
    return this.#live.get(hostId)?.gathered ?? null;
  }

  /** Throws FailureError `hostInUse` while a node lives there. */
  async remove(hostId: string): Promise<void> {
    const host = this.get(hostId);
    const members = this.#options.store.listMembersOnHost(hostId);
    if (members.length > 0) {
      const clusters = members.map((member) => this.#options.store.getCluster(member.clusterId)?.name);
      throw new FailureError({
        kind: 'hostInUse',
        host: host.name,
        message: `${host.name} carries a node of ${clusters.join(', ')}.`,
        nextStep: 'Destroy that cluster first; its data is deleted with it.',
      });
    }
    this.#live.get(hostId)?.unsubscribe();
    this.#live.delete(hostId);
    this.#pool.remove(await this.#targetOf(host));
    await this.#options.secrets.delete(hostId);
    this.#options.store.removeHost(hostId);
  }

  close(): void {
    for (const live of this.#live.values()) live.unsubscribe();
    this.#pool.close();
  }

  /** Connects and gathers; what fails shows in the host's reachability. */
  async #tryGather(hostId: string): Promise<void> {
    try {
      await this.gather(hostId);
    } catch (error) {
      this.#options.log.info({ host: hostId, failure: failureOf(error).message }, 'host not usable yet');
    }
  }

  #observe(host: StoredHost): void {
    const live: LiveHost = {
      reachability: unknownReachability(this.#options.clock()),
      gathered: null,
      clockOffsetMs: null,
      unsubscribe: () => undefined,
    };
    this.#live.set(host.hostId, live);
    const connection = this.#pool.known(this.#bareTarget(host));
    live.unsubscribe = connection.onState((state) => {
      const next = reachabilityOf(state, host.name, this.#options.clock());
      if (next.state !== live.reachability.state || next.failure?.message !== live.reachability.failure?.message)
        live.reachability = next;
      this.#changed(host.hostId);
    });
  }

  #changed(hostId: string): void {
    for (const listener of this.#listeners) listener(hostId);
  }

  #bareTarget(host: StoredHost): SshTarget {
    const labKnownHosts = host.origin === 'lab' ? this.#options.labKnownHostsPath : null;
    return {
      name: host.name,
      address: host.address,
      port: host.port,
      user: host.user,
      auth: [],
      ...(labKnownHosts === null ? {} : { knownHostsPath: labKnownHosts }),
    };
  }

  async #targetOf(host: StoredHost): Promise<SshTarget> {
    return { ...this.#bareTarget(host), auth: this.#authOf(host) };
  }

  #authOf(host: StoredHost): SshAuth[] {
    const secret = (what: string) => async () => {
      const known = await this.#options.secrets.get(host.hostId);
      if (known !== null) return known;
      throw new FailureError({
        kind: 'secretNeeded',
        host: host.name,
        message: `${host.name} needs the ${what}.`,
        nextStep: `Give the ${what}; it is not written down.`,
      });
    };
    switch (host.auth.kind) {
      case 'password':
        return [{ kind: 'password', password: secret('password') }];
      case 'key':
        return [{ kind: 'key', path: host.auth.path, passphrase: secret('passphrase of the key') }];
      case 'agent':
        return [{ kind: 'agent' }];
      case 'default':
        return defaultAuth().map((auth) =>
          auth.kind === 'key' ? { ...auth, passphrase: secret('passphrase of the key') } : auth,
        );
    }
  }
}

function offset(hostUnixMs: number, askedAtUnixMs: number, answeredAtUnixMs: number): number {
  return Math.round(hostUnixMs - (askedAtUnixMs + 3 * answeredAtUnixMs) / 4);
}

function unknownReachability(nowUnixMs: number): Reachability {
  return { state: 'unknown', sinceUnixMs: nowUnixMs, offeredKey: null, failure: null };
}

function reachabilityOf(state: HostConnectionState, host: string, nowUnixMs: number): Reachability {
  const at = { sinceUnixMs: nowUnixMs, offeredKey: null, failure: null };
  switch (state.kind) {
    case 'idle':
      return { ...at, state: 'unknown' };
    case 'connecting':
      return { ...at, state: 'connecting' };
    case 'connected':
      return { ...at, state: 'reachable' };
    case 'lost': {
      const { error } = state;
      const key = error.kind === 'hostKeyUnknown' ? error.offeredKey : null;
      return {
        ...at,
        state: lostState(error.kind),
        offeredKey: key === null ? null : { keyType: key.keyType, fingerprint: key.fingerprint },
        failure: { ...failureOf(error), host },
      };
    }
  }
}

function lostState(kind: string): Reachability['state'] {
  if (kind === 'hostKeyUnknown') return 'hostKeyUnknown';
  if (kind === 'hostKeyChanged' || kind === 'hostKeyRevoked') return 'hostKeyChanged';
  // The failure tells these apart; to the operator each is a login that has to be put right.
  return ['authFailed', 'keyFileUnreadable', 'passphraseNeeded'].includes(kind) ? 'authFailed' : 'unreachable';
}
