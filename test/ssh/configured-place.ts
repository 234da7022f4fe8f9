/** A home of its own with an SSH configuration, and targets from it, as the engine makes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TargetWish } from '../../electron/engine/ssh/config/configured-target.ts';
import { configuredTarget } from '../../electron/engine/ssh/config/configured-target.ts';
import { type ConfigWorld, realWorld } from '../../electron/engine/ssh/config/world.ts';
import type { LoginSecrets, SshTarget } from '../../electron/engine/ssh/target.ts';
import { nobody, type Place } from './places.ts';

export interface ConfiguredHome {
  world: ConfigWorld;
  knownHostsPath: string;
  write: (config: string) => void;
  target: (alias: string, parts?: { secrets?: LoginSecrets; wish?: Partial<TargetWish> }) => Promise<SshTarget>;
}

/** `config` is written after lines that keep ssh's own files out. The home's known_hosts is `known_hosts` in it. */
export function configuredHome(folder: string, environment: Record<string, string> = {}): ConfiguredHome {
  const path = join(folder, 'ssh_config');
  const knownHostsPath = join(folder, 'known_hosts');
  const world = realWorld({ home: folder, files: [{ path, kind: 'user' }], environment: { ...environment } });
  return {
    world,
    knownHostsPath,
    write: (config) =>
      writeFileSync(path, `${config}\nHost *\n UserKnownHostsFile ${knownHostsPath}\n GlobalKnownHostsFile none\n`),
    target: async (alias, { secrets = nobody, wish = {} } = {}) =>
      await configuredTarget(
        {
          alias,
          name: alias,
          overrides: {},
          auth: { kind: 'default' },
          ...wish,
        },
        secrets,
        world,
      ),
  };
}

/** Host lines for a place: name, address, port, user and key. */
export function hostLines(alias: string, place: Place, more = ''): string {
  const { address, port, user } = place.target;
  const key = join(place.folder, 'client');
  return `Host ${alias}\n HostName ${address}\n Port ${port}\n User ${user}\n IdentityFile ${key}\n ${more}\n`;
}

/** The known_hosts lines of these places. */
export function knownLines(...places: readonly Place[]): string {
  return places.map((place) => readFileSync(join(place.folder, 'known_hosts'), 'utf8')).join('');
}
