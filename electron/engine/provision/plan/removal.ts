/** Scripts that take a cluster's things off a host again, and that prove it. Ids and versions need no quoting. */
import { HOST_ROOT, hostLayout } from '../../../../cluster-node/contract/host-layout.ts';

const SAFE = /^[A-Za-z0-9._-]+$/;

/**
 * Removes every runtime and release that neither `keep` nor the `launch.json` of any node folder names, and folders that are
 * empty then, `~/.synod` included. Throws RangeError at a version that is no plain folder name.
 */
export function removeUnusedScript(keep: readonly string[]): string {
  for (const version of keep) if (!SAFE.test(version)) throw new RangeError(`"${version}" is not a version`);
  return `
set -eu
cd "$HOME"
[ -d ${HOST_ROOT} ] || exit 0
keep=" ${keep.join(' ')} "
for folder in ${HOST_ROOT}/runtime/* ${HOST_ROOT}/releases/*; do
  [ -d "$folder" ] && [ ! -L "$folder" ] || continue
  case "$keep" in *" \${folder##*/} "*) continue ;; esac
  used=no
  for launch in ${hostLayout.nodes}/*/launch.json; do
    [ -f "$launch" ] && grep -qF "/$folder/" "$launch" && used=yes
  done
  [ $used = yes ] || { rm -rf -- "$folder"; echo "removed=~/$folder"; }
done
for folder in ${HOST_ROOT}/runtime ${HOST_ROOT}/releases ${hostLayout.nodes} ${HOST_ROOT}; do
  [ ! -d "$folder" ] || rmdir "$folder" 2>/dev/null || true
done
`;
}

/** Removes the folder of a node that never ran. */
export function removeNodeFolderScript(nodeId: string): string {
  if (!/^n-[a-z0-9]{8}$/.test(nodeId)) throw new RangeError(`"${nodeId}" is not a node id`);
  return `set -eu\ncd "$HOME"\nrm -rf -- ${hostLayout.nodeDir(nodeId)}\n`;
}

/** Prints what is left of these nodes, one line each; nothing when all is gone. `whole`: ~/.synod must be gone, too. */
export function residueScript(nodeIds: readonly string[], whole: boolean): string {
  const ofNodes = nodeIds.map((nodeId) => {
    // The bracket keeps grep from finding itself.
    const pattern = `[${nodeId[0]}]${nodeId.slice(1)}`;
    return `
[ ! -e ${hostLayout.nodeDir(nodeId)} ] || echo "~/${hostLayout.nodeDir(nodeId)}"
for found in $(grep -ls -- '${pattern}' /proc/[0-9]*/cmdline 2>/dev/null); do
  pid=\${found#/proc/}; echo "process \${pid%/cmdline} of ${nodeId}"
done`;
  });
  const root = whole ? `\n[ ! -e ${HOST_ROOT} ] || find ${HOST_ROOT} | head -n 20 | sed 's/^/~\\//'` : '';
  return `cd "$HOME" || exit 1\n${ofNodes.join('\n')}${root}\nexit 0\n`;
}
