/**
 * A node's data to another folder of its host, such as one on another disk: stopped, copied, compared by digests, and started
 * on the copy. The old folder is renamed before, so that no start of the host can bring the node up on it: it would forget what it voted
 * for meanwhile. It is deleted once the node is level on the new one.
 */
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { StoredMember } from '../../fleet/records.ts';
import { follow, headNow, isLevel, memberOf } from '../../nodes/follow.ts';
import { askService, sayService } from '../../nodes/service-operations.ts';
import { FailureError } from '../../operations/failure.ts';
import { sh } from '../../ssh/shell-command.ts';
import { SshError } from '../../ssh/ssh-error.ts';
import { agentReady } from '../apply/agent-ready.ts';
import { HostApply, hostStepsOf, stepName } from '../apply/host-apply.ts';
import { executorOn, placeOf } from '../apply/look.ts';
import { dataDirOf } from '../plan/desired.ts';
import { handOver } from './leave.ts';
import { copyScript, deleteScript, type MoveFolders, NO_ROOM, roomScript, THERE_IS_SOMETHING } from './move-scripts.ts';
import { clusterNow, type MembersWork, putMember, seeItServe, stopped } from './work.ts';

export const MOVE_STEPS = {
  room: 'Room for the data',
  stop: 'Stop node',
  copy: 'Copy the data',
  forget: 'Delete the old copy',
};
const LEVEL = 'Level again';

const COPY_TIMEOUT_MS = 6 * 3_600_000;
const SCRIPT_TIMEOUT_MS = 60_000;
const LEVEL_WITHIN_MS = 60_000;

export function stepsOfMoving(host: { hostId: string; name: string }, place: 'home' | 'system') {
  const { room, stop, copy, forget } = MOVE_STEPS;
  return [room, stop, copy, ...hostStepsOf('present', place), LEVEL, forget].map((step) => stepName(host, step));
}

/** `to`: as `dataFolder`. Throws FailureError, with how to go on. Returns where the data are. */
export async function moveData(work: MembersWork, member: StoredMember, to: string | null): Promise<string> {
  const { parts, cluster, claim } = work;
  const host = parts.hosts.get(member.hostId);
  const gathered = await parts.hosts.gather(member.hostId, claim.run.signal);
  const place = placeOf(cluster, gathered.facts.home);
  const moving = member.moving ?? { from: member.dataFolder, to, isCopied: false };
  const folderOf = (dataFolder: string | null) => dataDirOf({ place, member, dataFolder });
  const folders = { old: folderOf(moving.from), new: folderOf(moving.to), isBegun: member.moving !== null };
  if (!moving.isCopied) await seeRoom({ ...work, place }, member, folders);
  await claim.take();
  putMember(work, { ...member, moving });
  try {
    if (!moving.isCopied) {
      await stop(work, member);
      await copy({ ...work, place }, member, folders);
    }
    const moved = { ...member, dataFolder: moving.to, moving: { ...moving, isCopied: true } };
    putMember(work, moved);
    await startOn(work, moved);
    await script({ ...work, place }, member, {
      step: MOVE_STEPS.forget,
      text: deleteScript(folders.old, { isChosen: moving.from !== null }),
      what: `delete ${folders.old}.moved`,
    });
    putMember(work, { ...moved, moving: null });
    await seeItServe(work, moved);
    return folders.new;
  } catch (error) {
    throw stopped(error, {
      done: `No data of ${member.name} were lost; until it is level again the cluster does without it.`,
      goOn: `Then run \`synod cluster move-node ${cluster.name} ${host.name}\` again with the same folder: it goes on there.`,
    });
  }
}

type PlacedWork = MembersWork & { readonly place: HostPlace };

async function seeRoom(work: PlacedWork, member: StoredMember, folders: MoveFolders): Promise<void> {
  await script(work, member, {
    step: MOVE_STEPS.room,
    text: roomScript(folders),
    what: `look for room for ${folders.new}`,
    isUnfenced: true,
  });
}

async function stop(work: MembersWork, member: StoredMember): Promise<void> {
  const { parts, cluster, log } = work;
  const { run } = work.claim;
  const { clusterId } = cluster;
  const { nodeId, hostId, name } = member;
  const before = parts.nodes.picture(clusterId);
  const mayHandOver = before.working.some((slot) => slot !== member.memberSlot);
  if (mayHandOver) await handOver(work, member);
  const host = parts.hosts.get(hostId);
  await run.step(stepName(host, MOVE_STEPS.stop), async () => {
    await agentReady(parts.agents, host, run.signal);
    const service = await log.record(host.name, `agent: stop ${nodeId}`, () =>
      askService(parts.nodes, { clusterId, nodeId, hostId, call: 'stop', wanted: 'stopped' }, run.signal),
    );
    if (service?.state === 'stopped') return { state: 'succeeded', detail: sayService(service) };
    throw new FailureError({
      kind: 'nodeRuns',
      host: host.name,
      message: `${name} could not be stopped: ${service === null ? 'its host is not heard of' : sayService(service)}. Its data were not touched.`,
      nextStep: `See the log of ${name}.`,
    });
  });
}

async function copy(work: PlacedWork, member: StoredMember, folders: MoveFolders): Promise<void> {
  await script(work, member, {
    step: MOVE_STEPS.copy,
    text: copyScript(folders),
    what: `copy ${folders.old} to ${folders.new}`,
    timeoutMs: COPY_TIMEOUT_MS,
  });
}

async function startOn(work: MembersWork, member: StoredMember): Promise<void> {
  const { parts, claim, log, cluster } = work;
  const { clusterId } = cluster;
  const { run } = claim;
  const [wish] = await parts.planning
    .wishes(clusterNow(work), parts.store.listMembers(clusterId))
    .then((wishes) => wishes.filter((one) => one.member.nodeId === member.nodeId));
  if (wish === undefined) throw new Error(`${member.nodeId} is no member`);
  const apply = new HostApply(parts, wish, { run, log, fence: claim.fence });
  await apply.check();
  await apply.put();
  const head = headNow(parts.nodes.picture(clusterId));
  await apply.start();
  await apply.verify();
  await run.step(stepName(wish.host, LEVEL), async () => {
    const wait = { clusterId, timeoutMs: LEVEL_WITHIN_MS, signal: run.signal };
    const seen = await follow(parts.nodes, wait, (now) => {
      const at = memberOf(now, member.nodeId);
      return isLevel(at, { head, exceptPid: null }) ? at.sample : null;
    });
    if (seen !== null) return { state: 'succeeded', detail: `decided up to ${seen.decidedUpTo}` };
    throw new FailureError({
      kind: 'notLevel',
      host: wish.host.name,
      message: `${member.name} runs on the new folder and is not level with the others after ${LEVEL_WITHIN_MS / 1000} s.`,
      nextStep: `See the log of ${member.name}.`,
    });
  });
}

interface HostScript {
  readonly step: string;
  readonly text: string;
  readonly what: string;
  readonly timeoutMs?: number;
  /** It changes nothing, and the lock is not held yet. */
  readonly isUnfenced?: boolean;
}

async function script(work: PlacedWork, member: StoredMember, at: HostScript): Promise<void> {
  const { parts, cluster, claim, log, place } = work;
  const host = parts.hosts.get(member.hostId);
  const { run } = claim;
  await run.step(stepName(host, at.step), async () => {
    const executor = log.watch(await executorOn(parts, { cluster, host }, run.signal), host.name, at.what);
    const stdin = `${at.isUnfenced ? '' : `${claim.fence(place)}\n`}${at.text}`;
    const { timeoutMs = SCRIPT_TIMEOUT_MS } = at;
    try {
      const { stdout } = await executor.exec(sh`/bin/sh -s`, { stdin, timeoutMs, signal: run.signal });
      return { state: 'succeeded', detail: stdout.trim().split('\n').at(-1) ?? '' };
    } catch (error) {
      throw failureOfScript(error, { host: host.name, what: at.what });
    }
  });
}

function failureOfScript(error: unknown, { host, what }: { host: string; what: string }): unknown {
  if (!(error instanceof SshError) || error.kind !== 'commandFailed') return error;
  const { exitCode, stderr } = error;
  const said = (stderr ?? '').trim().split('\n').at(-1) ?? '';
  const kinds: Readonly<Record<number, string>> = { [NO_ROOM]: 'diskFull', [THERE_IS_SOMETHING]: 'foreignFiles' };
  return new FailureError(
    {
      kind: kinds[exitCode ?? 0] ?? 'stepFailed',
      host,
      exitCode,
      stderr,
      command: `sh -s (${what})`,
      message: `${host}: ${said || 'it did not say why'}.`,
      nextStep: 'Put that right.',
    },
    { cause: error },
  );
}
