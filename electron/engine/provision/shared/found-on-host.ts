/**
 * What a host has of clusters, for a console that knows none of them: records, and beside them the nodes with what they run on. Changes
 * nothing. Private keys are read only where a cluster is taken over; like everything else they come by standard output, which is
 * never logged.
 */
import { type HostPlace, hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import { nodeConfigSchema } from '../../../../cluster-node/contract/node-config.ts';
import type { PlaceName } from '../../../../cluster-node/contract/host-layout.ts';
import type { StoredHost } from '../../fleet/records.ts';
import type { Executor } from '../../ssh/elevation.ts';
import { sh, shellQuote } from '../../ssh/shell-command.ts';
import type { HostParts } from './host-truth.ts';

export interface FoundNode {
  readonly nodeId: string;
  /** null: it cannot be read. */
  readonly config: ReturnType<typeof nodeConfigSchema.parse> | null;
  /** By name in its `tls` folder. */
  readonly tls: ReadonlyMap<string, string>;
  /** Names of version folders; null: unknown. */
  readonly runtimeVersion: string | null;
  readonly releaseVersion: string | null;
}

export interface FoundOnHost {
  readonly host: StoredHost;
  readonly place: PlaceName;
  /** By the cluster's id. */
  readonly records: ReadonlyMap<string, string>;
  readonly nodes: readonly FoundNode[];
}

const TIMEOUT_MS = 60_000;
const certificateFiles = ['ca.pem', 'peer.pem', 'client.pem'];
const keyFiles = ['peer.key', 'client.key'];

/** In both places; one without anything of Synod is left out. Throws SshError, FailureError. */
export async function findOnHost(
  parts: HostParts,
  host: StoredHost,
  options: { withKeys: boolean; signal: AbortSignal },
) {
  const { hostId } = host;
  const connection = await parts.hosts.connection(hostId, options.signal);
  const facts = host.facts ?? (await parts.hosts.gather(hostId, options.signal)).facts;
  const found: FoundOnHost[] = [];
  const look = async (executor: Executor, place: HostPlace) => {
    const stdin = findScript(place, options.withKeys);
    const { stdout } = await executor.exec(sh`/bin/sh -s`, { stdin, timeoutMs: TIMEOUT_MS, signal: options.signal });
    const one = { host, place: place.name, ...parseFound(stdout) };
    if (one.records.size > 0 || one.nodes.length > 0) found.push(one);
  };
  await look(connection, hostPlace('home', facts.home));
  const system = hostPlace('system');
  const { stdout } = await connection.exec(sh`[ ! -d ${system.nodesDir} ] || echo there`, { signal: options.signal });
  if (stdout.includes('there')) await look(await parts.privileges.root(hostId, options.signal), system);
  return found;
}

function findScript(place: HostPlace, withKeys: boolean): string {
  const folder = place.clusterRecord('c').replace(/\/[^/]*$/, '');
  const links = place.node('n-example').versionLinks.dir.replace(/n-example$/, '');
  const files = [...certificateFiles, ...(withKeys ? keyFiles : [])];
  return `synod_main() {
LC_ALL=C; export LC_ALL
exec 9<${place.name === 'home' ? '"$HOME"' : '/'}
! command -v flock >/dev/null 2>&1 || flock -s -w 20 9
text() { # key, name, path
  [ -f "$3" ] && [ ! -L "$3" ] || return 0
  printf '%s\\t%s\\t' "$1" "$2"; head -c 1048576 "$3" | base64 -w 0; echo
}
for file in ${shellQuote(folder)}/c-????????.json; do name=\${file##*/}; text record "\${name%.json}" "$file"; done
for dir in ${shellQuote(place.nodesDir)}/n-????????; do
  [ -d "$dir" ] || continue
  node=\${dir##*/}
  printf 'node\\t%s\\n' "$node"
  text config "$node" "$dir/config.json"
  text launch "$node" "$dir/launch.json"
  for link in runtime release; do
    [ ! -L ${shellQuote(links)}"$node/$link" ] || printf '%s\\t%s\\t%s\\n' "$link" "$node" "$(readlink ${shellQuote(links)}"$node/$link")"
  done
  for name in ${files.join(' ')}; do text "tls/$name" "$node" "$dir/tls/$name"; done
done
printf 'end\\n'
}
synod_main
`;
}

function parseFound(stdout: string): Pick<FoundOnHost, 'records' | 'nodes'> {
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  if (!lines.some(([key]) => key === 'end')) throw new RangeError('the host did not say everything');
  const of = (key: string) => lines.filter((fields) => fields[0] === key);
  const texts = (key: string) => new Map(of(key).map(([, name = '', value = '']) => [name, decoded(value)]));
  const launches = texts('launch');
  const configs = texts('config');
  const links = (key: string) => new Map(of(key).map(([, node = '', target = '']) => [node, nameOf(target)]));
  const [runtimes, releases] = [links('runtime'), links('release')];
  const nodes = of('node').map(([, nodeId = '']): FoundNode => {
    const launch = launchedFrom(launches.get(nodeId));
    return {
      nodeId,
      config: configOf(configs.get(nodeId)),
      tls: new Map(
        [...certificateFiles, ...keyFiles].flatMap((name) => {
          const text = texts(`tls/${name}`).get(nodeId);
          return text === undefined ? [] : [[name, text]];
        }),
      ),
      runtimeVersion: runtimes.get(nodeId) ?? launch.runtime,
      releaseVersion: releases.get(nodeId) ?? launch.release,
    };
  });
  return { records: texts('record'), nodes };
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function configOf(text: string | undefined): FoundNode['config'] {
  try {
    return nodeConfigSchema.parse(JSON.parse(text ?? ''));
  } catch {
    return null;
  }
}

/** Versions are the folders in which the two files lie. */
function launchedFrom(text: string | undefined): { runtime: string | null; release: string | null } {
  const folderOf = (name: string) => new RegExp(`"${name}": "[^"]*/([^"/]+)/[^"/]+"`).exec(text ?? '')?.[1] ?? null;
  return { runtime: folderOf('runtime'), release: folderOf('release') };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
