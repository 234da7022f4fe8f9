/** From what the operator configured for a host to where and how Synod logs in there, every jump host on the way included. */
import { SshError } from '../ssh-error.ts';
import {
  type AuthChoice,
  type LoginSecrets,
  type OpenSshLogin,
  type SshAuth,
  type SshTarget,
  type Transport,
  usualKeyFiles,
  type Way,
} from '../target.ts';
import { ConfigError } from './config-error.ts';
import { onlyForOpenSsh } from './only-openssh.ts';
import { formatJumps } from './jumps.ts';
import { resolveSettings, type SshOverrides, type SshSettings } from './settings.ts';
import type { ConfigWorld } from './world.ts';

export interface TargetWish {
  /** What ssh would be given as the host: an alias of the configuration, or an address. */
  alias: string;
  /** How the fleet calls it. */
  name?: string | undefined;
  overrides: SshOverrides;
  auth: AuthChoice;
  /** `builtin` where absent. */
  transport?: Transport | undefined;
}

/** As many jump hosts as anybody has; a chain that leads back to itself ends here. */
const MAX_HOPS = 8;

/** Throws SshError `badConfiguration`. */
export async function configuredTarget(
  wish: TargetWish,
  secrets: LoginSecrets,
  world: ConfigWorld,
): Promise<SshTarget> {
  try {
    return await targetOf(wish, { secrets, world, hops: 0, transport: wish.transport ?? 'builtin' });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new SshError({
      kind: 'badConfiguration',
      host: wish.name ?? wish.alias,
      problem: `the SSH configuration of this computer cannot be used for it: ${error.message}`,
      nextStep: `Correct it (ssh -G '${wish.alias}' shows what ssh reads) and check the host again; the host was not contacted.`,
      cause: error,
    });
  }
}

interface Parts {
  secrets: LoginSecrets;
  world: ConfigWorld;
  /** Jump hosts from the host that is wanted to this one. */
  hops: number;
  /** Of the host that is wanted, and so of its jump hosts. */
  transport: Transport;
}

async function targetOf(wish: TargetWish, parts: Parts): Promise<SshTarget> {
  const settings = await resolveSettings(wish.alias, wish.overrides, parts.world);
  const { hostName, port, user, serverAliveIntervalS: aliveS, connectTimeoutS } = settings;
  return {
    name: wish.name,
    address: hostName,
    port,
    user,
    auth: authOf(wish.auth, settings, parts),
    via: await wayOf(settings, parts),
    hostKeyAlias: settings.hostKeyAlias ?? undefined,
    knownHostsPaths: [...settings.userKnownHostsFiles, ...settings.globalKnownHostsFiles],
    hostKeyAlgorithms: settings.hostKeyAlgorithms ?? undefined,
    connectTimeoutMs: connectTimeoutS === null ? undefined : connectTimeoutS * 1000,
    // 0 means never to ssh; a console that does not notice a dead host is of no use, so that is Synod's own interval.
    keepaliveIntervalMs: aliveS === null || aliveS === 0 ? undefined : aliveS * 1000,
    keepaliveCountMax: aliveS === null || aliveS === 0 ? undefined : Math.max(1, settings.serverAliveCountMax),
    addressFamily: settings.addressFamily ?? undefined,
    localAddress: settings.bindAddress ?? undefined,
    ...(parts.transport === 'openssh' ? { openSsh: openSshLogin(wish, parts) } : {}),
    onlyOpenSsh: (await onlyForOpenSsh(wish.auth, settings, parts.world)) ?? undefined,
  };
}

function openSshLogin(wish: TargetWish, { world, secrets }: Parts): OpenSshLogin {
  return { alias: wish.alias, configPaths: world.files.map(({ path }) => path), auth: wish.auth, secrets };
}

/** As ssh: through the last of the jump hosts, which is reached through those before it. */
async function wayOf(settings: SshSettings, parts: Parts): Promise<Way | undefined> {
  const { proxyJump, proxyCommand } = settings;
  if (proxyCommand !== null) return { kind: 'command', command: proxyCommand };
  const last = proxyJump.at(-1);
  if (last === undefined) return undefined;
  if (parts.hops >= MAX_HOPS)
    throw new ConfigError(`ProxyJump: more than ${MAX_HOPS} jump hosts, or a chain that leads back`);
  const before = proxyJump.slice(0, -1);
  const overrides: SshOverrides = {
    user: last.user ?? undefined,
    port: last.port ?? undefined,
    proxyJump: before.length === 0 ? undefined : formatJumps(before),
  };
  const wish: TargetWish = { alias: last.host, name: last.host, overrides, auth: { kind: 'default' } };
  return { kind: 'jump', hop: await targetOf(wish, { ...parts, hops: parts.hops + 1 }) };
}

function authOf(choice: AuthChoice, settings: SshSettings, { secrets, world }: Parts): SshAuth[] {
  const login = `${settings.user}@${settings.hostName}:${settings.port}`;
  const key = (path: string): SshAuth => ({ kind: 'key', path, passphrase: secrets.passphrase(path) });
  const password: SshAuth = { kind: 'password', password: secrets.password(login) };
  const questions: SshAuth = { kind: 'interactive', answer: secrets.answer(login) };
  const socket = settings.identityAgent ?? world.environment['SSH_AUTH_SOCK'] ?? 'none';
  switch (choice.kind) {
    case 'key':
      return [key(choice.path)];
    case 'agent':
      return [{ kind: 'agent', socket: socket === 'none' ? '' : socket }];
    case 'password':
      return [password];
    case 'default': {
      const { methods, identitiesOnly } = settings;
      const files = settings.identityFiles ?? usualKeyFiles(world.home);
      const agent: SshAuth[] = socket === 'none' ? [] : [{ kind: 'agent', socket, first: files, only: identitiesOnly }];
      return [
        ...(methods.publicKey ? [...agent, ...files.map(key)] : []),
        ...(methods.keyboardInteractive ? [questions] : []),
        ...(methods.password ? [password] : []),
      ];
    }
  }
}
