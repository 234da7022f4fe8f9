/**
 * What stands on a host where Synod would put its things, and whether that allows to go on. One read-only script looks;
 * the judgement is pure. Nothing that is not ours is ever overwritten: it is a refusal that names it.
 */

import { z } from 'zod';
import { HOST_ROOT, hostLayout, nodeLayout } from '../../../../cluster-node/contract/host-layout.ts';
import { recordedProcessFunctions } from './recorded-process.ts';

export interface InspectedPlaces {
  readonly nodeId: string;
  readonly runtimeVersion: string;
  readonly releaseVersion: string;
}

/** A script for `sh -s`; ids and versions are of the contract's shape and need no quoting. */
export function inspectScript(places: InspectedPlaces): string {
  const node = hostLayout.nodeDir(places.nodeId);
  return `
cd "$HOME" || exit 1
kind() { # folder, file, absent, or foreign: a link, a device, or somebody else's
  if [ -L "$1" ]; then echo foreign
  elif [ ! -e "$1" ]; then echo absent
  elif [ ! -O "$1" ]; then echo foreign
  elif [ -d "$1" ]; then echo folder
  elif [ -f "$1" ]; then echo file
  else echo foreign; fi
}
echo "root=$(kind ${HOST_ROOT})"
for entry in ${HOST_ROOT}/* ${HOST_ROOT}/.[!.]*; do
  [ -e "$entry" ] || [ -L "$entry" ] || continue
  case "$entry" in
    ${HOST_ROOT}/runtime|${HOST_ROOT}/releases|${HOST_ROOT}/nodes) echo "ours=$entry $(kind "$entry")" ;;
    *) echo "stranger=$entry" ;;
  esac
done
for entry in ${linkable(places).join(' ')}; do
  [ ! -L "$entry" ] || echo "stranger=$entry"
done
echo "runtime=$(kind ${hostLayout.runtime(places.runtimeVersion)})"
echo "release=$(kind ${hostLayout.release(places.releaseVersion)})"
echo "node=$(kind ${node})"
[ -f ${node}/${nodeLayout.config} ] && echo "config=$(tr -d '\\n' < ${node}/${nodeLayout.config})"
[ -n "$(ls -A ${node}/${nodeLayout.dataDir} 2>/dev/null)" ] && echo "data=yes"
${recordedProcessFunctions}
recorded ${node}/${nodeLayout.supervisorPid} && lives "$pid" "$start" && echo "running=yes"
exit 0
`;
}

/** Folders of ours below those: a link in place of one would take what is written, and what is removed, somewhere else. */
function linkable(places: InspectedPlaces): string[] {
  const node = hostLayout.nodeDir(places.nodeId);
  const versions = [hostLayout.runtime(places.runtimeVersion), hostLayout.release(places.releaseVersion)];
  return [
    ...versions.map((file) => file.slice(0, file.lastIndexOf('/'))),
    ...[nodeLayout.tlsDir, nodeLayout.dataDir, 'log', nodeLayout.runDir].map((folder) => `${node}/${folder}`),
  ];
}

const kindSchema = z.enum(['folder', 'file', 'absent', 'foreign']);
const configIdentitySchema = z.object({ clusterId: z.string(), nodeId: z.string() });

export interface Inspection {
  readonly root: z.infer<typeof kindSchema>;
  /** Things below ~/.synod that Synod does not put there, and its own folders that are not folders. */
  readonly strangers: readonly string[];
  readonly runtime: z.infer<typeof kindSchema>;
  readonly release: z.infer<typeof kindSchema>;
  readonly node: z.infer<typeof kindSchema>;
  /** Whose configuration lies in the node's folder; null: none; `unreadable`: not one of ours. */
  readonly config: z.infer<typeof configIdentitySchema> | 'unreadable' | null;
  readonly hasData: boolean;
  /** A supervisor of this very node is alive. */
  readonly isRunning: boolean;
}

/** Throws ZodError when the output is not that of `inspectScript`. */
export function parseInspection(stdout: string): Inspection {
  const lines = stdout.split('\n').flatMap((line) => {
    const equals = line.indexOf('=');
    return equals <= 0 ? [] : [{ key: line.slice(0, equals), value: line.slice(equals + 1) }];
  });
  const all = (key: string) => lines.filter((line) => line.key === key).map((line) => line.value);
  const kind = (key: string) => kindSchema.parse(all(key)[0]);
  const misplaced = all('ours').filter((entry) => !entry.endsWith(' folder'));
  return {
    root: kind('root'),
    strangers: [...all('stranger'), ...misplaced.map((entry) => entry.replace(/ \w+$/, ''))].map((path) => `~/${path}`),
    runtime: kind('runtime'),
    release: kind('release'),
    node: kind('node'),
    config: parseConfig(all('config')[0]),
    hasData: all('data').length > 0,
    isRunning: all('running').length > 0,
  };
}

function parseConfig(text: string | undefined): Inspection['config'] {
  if (text === undefined) return null;
  try {
    return configIdentitySchema.parse(JSON.parse(text));
  } catch {
    return 'unreadable';
  }
}

export interface Obstacle {
  readonly kind: 'foreignFiles' | 'foreignData';
  readonly message: string;
  readonly nextStep: string;
}

/** What is in the way; null: nothing. */
export function obstacleIn(seen: Inspection, expected: InspectedPlaces & { clusterId: string }): Obstacle | null {
  const nodeDir = `~/${hostLayout.nodeDir(expected.nodeId)}`;
  if (seen.root !== 'absent' && seen.root !== 'folder') return foreign(`~/${HOST_ROOT}`);
  if (seen.strangers.length > 0) return foreign(seen.strangers.slice(0, 5).join(', '));
  if (seen.runtime !== 'absent' && seen.runtime !== 'file')
    return foreign(`~/${hostLayout.runtime(expected.runtimeVersion)}`);
  if (seen.release !== 'absent' && seen.release !== 'file')
    return foreign(`~/${hostLayout.release(expected.releaseVersion)}`);
  if (seen.node !== 'absent' && seen.node !== 'folder') return foreign(nodeDir);
  return dataObstacle(seen, expected, nodeDir);
}

function dataObstacle(
  seen: Inspection,
  expected: { clusterId: string; nodeId: string },
  nodeDir: string,
): Obstacle | null {
  const isOther =
    seen.config === 'unreadable' ||
    (seen.config !== null && (seen.config.clusterId !== expected.clusterId || seen.config.nodeId !== expected.nodeId));
  const isOrphan = seen.config === null && seen.hasData;
  if (!isOther && !isOrphan) return null;
  const owner =
    seen.config !== null && seen.config !== 'unreadable'
      ? `the cluster ${seen.config.clusterId}`
      : 'an unknown cluster';
  return {
    kind: 'foreignData',
    message: `${nodeDir} holds data of ${owner}, not of ${expected.clusterId}; nothing was changed.`,
    nextStep: `Look at what is in ${nodeDir}. Move it away if nobody needs it there, then run this again.`,
  };
}

function foreign(what: string): Obstacle {
  return {
    kind: 'foreignFiles',
    message: `There is something that Synod did not put there where its own things would go: ${what}. Nothing was changed.`,
    nextStep: 'Move or remove it if nobody needs it there, then run this again.',
  };
}
