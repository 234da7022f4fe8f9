/**
 * The hosts of the fleet: which there are, how to log in, whether they are reachable, and what they are. One pooled
 * connection a host; its state is what the operator sees as reachability. A host is contacted when somebody asks for it,
 * never before.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ConfiguredHost } from '../../contract/login.ts';
import { type HostAddress, type HostView, hostAddressSchema, type NewHost } from '../../contract/model.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { Prompts } from '../prompts.ts';
import type { SecretStore } from '../secrets.ts';
import { configuredAliases } from '../ssh/config/aliases.ts';
import { configuredTarget } from '../ssh/config/configured-target.ts';
import type { ConfigWorld } from '../ssh/config/world.ts';
import type { HostConnection, HostConnectionState } from '../ssh/connection.ts';
import { trustHostKey } from '../ssh/host-keys.ts';
import { SshPool } from '../ssh/pool.ts';
import { sh } from '../ssh/shell-command.ts';
import { SshError } from '../ssh/ssh-error.ts';
import { type SshTarget, targetLabel } from '../ssh/target.ts';
import { factsScript, type GatheredFacts, parseFacts } from './facts.ts';
import { newId } from './ids.ts';
import { loginSecrets, type SecretSources } from './login-secrets.ts';
import type { StoredHost } from './records.ts';
import type { FleetStore } from './store.ts';

export type Reachability = HostView['reachability'];

export interface HostsOptions {
  readonly store: FleetStore;
  readonly secrets: SecretStore;
  readonly prompts: Prompts;
  /** Whose SSH configuration counts. */
  readonly world: ConfigWorld;
  /** Synod's own known_hosts, in the state folder. */
  readonly knownHostsPath: string;
  /** The lab's own known_hosts: its hosts are made anew with new keys at the same addresses. null: there is no lab. */
  readonly labKnownHostsPath: string | null;
  /** What runs JavaScript. */
  readonly nodePath: string;
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
  readonly #secretSources: SecretSources;
  readonly #live = new Map<string, LiveHost>();
  readonly #listeners = new Set<(hostId: string) => void>();

  constructor(options: HostsOptions) {
    this.#options = options;
    const { home } = options.world;
    const known = [options.knownHostsPath, join(home, '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'];
    this.#secretSources = { secrets: options.secrets, prompts: options.prompts, answered: new Map() };
    this.#pool = new SshPool({ knownHostsPaths: known, nodePath: options.nodePath });
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
  async add(given: NewHost, origin: StoredHost['origin'] = 'operator'): Promise<HostView> {
    const address = hostAddressSchema.parse(given);
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
      const isSameLogin = isSamePlace(host, address);
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

  /** Takes over another address, port, user, way to log in or transport, and connects there. Throws FailureError `notFound`. */
  async move(hostId: string, given: NewHost): Promise<void> {
    const host = this.get(hostId);
    this.#live.get(hostId)?.unsubscribe();
    this.#pool.remove(hostId);
    const moved = { ...host, ...hostAddressSchema.parse(given) };
    this.#options.store.putHost(moved);
    this.#observe(moved);
    await this.#tryGather(hostId);
  }

  /** Trusts the key that the host offered last, if `fingerprint` is that key's. Throws FailureError `noOfferedKey`, SshError. */
  async trustKey(hostId: string, fingerprint: string): Promise<HostView> {
    const state = this.#pool.known(this.#bareTarget(this.get(hostId)), hostId).state;
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
    const host = this.get(hostId);
    const target = await this.#targetOf(host).catch((error: unknown) => {
      if (error instanceof SshError) this.#sees(host, { kind: 'lost', error, retryAtUnixMs: null });
      throw error;
    });
    return this.#pool.connection(target, { signal, key: hostId });
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
    this.#pool.remove(hostId);
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
    const connection = this.#pool.known(this.#bareTarget(host), host.hostId);
    live.unsubscribe = connection.onState((state) => this.#sees(host, state));
  }

  #sees(host: StoredHost, state: HostConnectionState): void {
    const live = this.#live.get(host.hostId);
    if (live === undefined) return;
    const next = reachabilityOf(state, host.name, this.#options.clock());
    if (next.state !== live.reachability.state || next.failure?.message !== live.reachability.failure?.message)
      live.reachability = next;
    this.#changed(host.hostId);
  }

  #changed(hostId: string): void {
    for (const listener of this.#listeners) listener(hostId);
  }

  #bareTarget(host: StoredHost): SshTarget {
    const { name, address, port, user } = host;
    return { name, address, port, user, auth: [], ...this.#labKnownHosts(host) };
  }

  #labKnownHosts(host: StoredHost): Pick<SshTarget, 'knownHostsPath'> {
    const path = host.origin === 'lab' ? this.#options.labKnownHostsPath : null;
    return path === null ? {} : { knownHostsPath: path };
  }

  /** What SSH configuration and record say together; read anew at each login, so that an edit counts at the next one. */
  async #targetOf(host: StoredHost): Promise<SshTarget> {
    const { world } = this.#options;
    const { address: hostName, port, user, name, auth, via, transport } = host;
    const secrets = loginSecrets(host, this.#secretSources);
    const overrides = { hostName, port, user, proxyJump: via ?? undefined };
    const wish = { alias: host.alias ?? host.address, name, overrides, auth, transport };
    // A lab host is at an address of this computer with a key that Synod made: no configuration was written for it.
    const isLab = host.origin === 'lab';
    const target = await configuredTarget(wish, secrets, isLab ? { ...world, files: [] } : world);
    // The record says where: a configuration that was edited since must not lead the host's connection elsewhere.
    return { ...target, address: host.address, ...this.#labKnownHosts(host) };
  }

  /** What the SSH configuration says for a name. Throws SshError `badConfiguration`. */
  async resolve(alias: string): Promise<ConfiguredHost> {
    const { world, store } = this.#options;
    const auth = { kind: 'default' } as const;
    const wish = { alias, overrides: {}, auth } as const;
    const target = await configuredTarget(wish, loginSecrets({ hostId: '', name: alias }, this.#secretSources), world);
    const { address, port, user, via } = target;
    const twin = store
      .listHosts()
      .find((host) => host.alias === alias || isSamePlace(host, { address, port, user, via: null, alias }));
    return {
      alias,
      address,
      port,
      user,
      via: via === undefined ? null : via.kind === 'jump' ? describeHops(via.hop) : via.command,
      identityFiles: target.auth.flatMap((one) => (one.kind === 'key' ? [one.path] : [])),
      inFleetAs: twin?.name ?? null,
    };
  }

  /** Of all names in the SSH configuration those that stand for one host. */
  async listConfigured(): Promise<ConfiguredHost[]> {
    const aliases = await configuredAliases(this.#options.world);
    return await Promise.all(aliases.map((alias) => this.resolve(alias)));
  }
}

/** Behind different jump hosts one address may be two hosts, and so may two aliases, each with a way of its own. */
function isSamePlace(
  host: StoredHost,
  other: Pick<HostAddress, 'address' | 'port' | 'user' | 'via' | 'alias'>,
): boolean {
  const isSameLogin = host.address === other.address && host.port === other.port && host.user === other.user;
  const isSameAlias = host.alias === other.alias || host.alias === null || other.alias === null;
  return isSameLogin && host.via === other.via && isSameAlias;
}

/** "first, then second": the jump hosts in the order of the way. */
function describeHops(hop: SshTarget): string {
  const before = hop.via?.kind === 'jump' ? `${describeHops(hop.via.hop)}, then ` : '';
  return before + targetLabel(hop);
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
  return ['authFailed', 'keyFileUnreadable', 'passphraseNeeded', 'badConfiguration', 'noSshClient'].includes(kind)
    ? 'authFailed'
    : 'unreachable';
}
