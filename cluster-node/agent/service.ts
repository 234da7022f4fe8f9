/**
 * Start, stop and state of the nodes of this host, as their supervisors tell. A supervisor is started in a session of its
 * own and is never this agent's to end: the agent dies with its SSH session, nodes do not.
 */
import { closeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { adminCalls } from '../contract/admin.ts';
import type { ServiceState } from '../contract/sample.ts';
import { askSupervisor, type SupervisorCall, type SupervisorStatus } from '../supervisor/control.ts';
import { launchRelease, readLaunch, supervisorArguments } from '../supervisor/launch.ts';
import { lineInWords, openLog } from '../supervisor/node-log.ts';
import {
  currentBootId,
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from '../supervisor/process-identity.ts';
import { findNode, findRecorded, readRecord, removeRecord } from '../supervisor/run-records.ts';
import { ALREADY_SUPERVISED_EXIT_CODE } from '../supervisor/supervise.ts';
import { CallFailedError, callSocket, failCall } from '../supervisor/socket-call.ts';
import { tailLog } from './log-tail.ts';
import type { NodeFolder } from './node-folders.ts';
import { isStillWorking } from './still-working.ts';

const STATUS_TIMEOUT_MS = 500;
/** Longer than the supervisor's grace from SIGTERM to SIGKILL. */
const STOP_TIMEOUT_MS = 15_000;
const START_TIMEOUT_MS = 20_000;
const WORKING_FOR_MS = 500;
const STILL_READING = 'it runs and is still reading its log; it answers when that is done';
const POLL_MS = 25;
const REASON_LINES = 12;
const SUPERVISOR_LEFT = 'its supervisor ended meanwhile: somebody else stopped it';

function isFailure(error: unknown, kind: 'notRunning' | 'timeout' | 'starting'): boolean {
  return error instanceof CallFailedError && error.callError.kind === kind;
}

/** The supervisor's answer; null when there is no supervisor. */
async function askIfThere<C extends SupervisorCall>(folder: NodeFolder, call: C, timeoutMs: number) {
  try {
    return await askSupervisor(folder.supervisorSocket, call, timeoutMs);
  } catch (error) {
    if (isFailure(error, 'notRunning')) return null;
    throw error;
  }
}

/** Never throws: what cannot be found out is `unknown` with the reason. */
export async function serviceState(folder: NodeFolder): Promise<ServiceState> {
  try {
    const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS);
    return status ? stateOfStatus(folder, status) : await stateWithoutSupervisor(folder);
  } catch (error) {
    return unknownState(folder.nodeId, `the supervisor cannot be asked: ${(error as Error).message}`);
  }
}

export function unknownState(nodeId: string, reason: string): ServiceState {
  return { nodeId, state: 'unknown', pid: null, restarts: 0, reason };
}

function stateOfStatus(folder: NodeFolder, status: SupervisorStatus): ServiceState {
  const state = status.state === 'stopping' ? (status.node ? 'running' : 'stopped') : status.state;
  const { restarts, reason } = status;
  return { nodeId: folder.nodeId, state, pid: status.node?.pid ?? null, restarts, reason };
}

async function stateWithoutSupervisor(folder: NodeFolder): Promise<ServiceState> {
  const absent = { nodeId: folder.nodeId, pid: null, restarts: 0 };
  const node = await findRecorded(folder.nodeDir, 'node');
  if (node) {
    const reason = 'its supervisor is gone and it would not be started again; "start" gives it a new one';
    return { ...absent, state: 'running', pid: node.pid, reason };
  }
  const supervisor = await readRecord(folder.nodeDir, 'supervisor');
  if (!supervisor) return { ...absent, state: 'stopped', reason: null };
  const why = supervisor.bootId === currentBootId() ? 'its supervisor was killed' : 'the host was started anew';
  return { ...absent, state: 'failed', reason: `${why} without the node having been stopped; start it again` };
}

/** Left down, or started again and again in vain: waiting for it is of no use. */
function isFailing({ state, isFailing }: SupervisorStatus): boolean {
  return state === 'failed' || (state === 'restarting' && isFailing);
}

/**
 * Starts what is not running and waits until the node answers. One that has lived and worked for all of that time without
 * answering is `running` with a reason. Throws CallFailedError with the reason and the last log lines.
 */
export async function startNode(folder: NodeFolder): Promise<ServiceState> {
  const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS);
  if (status && isFailing(status)) await askSupervisor(folder.supervisorSocket, 'restart', STOP_TIMEOUT_MS);
  return waitUntilAnswering(folder, status ? () => SUPERVISOR_LEFT : startSupervisor(folder));
}

export async function restartNode(folder: NodeFolder): Promise<ServiceState> {
  const restarted = await askIfThere(folder, 'restart', STOP_TIMEOUT_MS);
  return waitUntilAnswering(folder, restarted ? () => SUPERVISOR_LEFT : startSupervisor(folder));
}

/** Gives back a function that says why the supervisor could not be started; null as long as nothing is known against it. */
function startSupervisor(folder: NodeFolder): () => string | null {
  let why: string | null = null;
  const output = openLog(folder.logPath);
  try {
    const supervisor = launchRelease(readLaunch(folder.nodeDir), {
      nodeDir: folder.nodeDir,
      arguments: supervisorArguments(folder.nodeDir),
      output: output ?? 'ignore',
      detached: true,
    });
    supervisor.once('error', (error) => {
      why = `the supervisor cannot be started: ${error.message}`;
    });
    supervisor.once('exit', (code, signal) => {
      // Another agent's supervisor was faster: that one is as good.
      if (code !== ALREADY_SUPERVISED_EXIT_CODE) why = `the supervisor ended with ${signal ?? `exit code ${code}`}`;
    });
    supervisor.unref();
  } finally {
    if (output !== null) closeSync(output);
  }
  return () => why;
}

async function waitUntilAnswering(folder: NodeFolder, whyNoSupervisor: () => string | null): Promise<ServiceState> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let firstPid: number | undefined;
  for (;;) {
    const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS);
    firstPid ??= status?.node?.pid;
    if (status && isFailing(status))
      throw await startFailure(folder, 'failed', status.reason ?? 'for an unknown reason');
    const admin = status?.node ? await lookAtAdmin(folder) : null;
    if (status && admin?.starting === null) return stateOfStatus(folder, status);
    const why = status ? null : whyNoSupervisor();
    if (why !== null) throw await startFailure(folder, 'failed', why);
    if (performance.now() > deadline) {
      // It may have to wait for a snapshot from a peer, and says so.
      if (status && admin) return { ...stateOfStatus(folder, status), reason: admin.starting };
      // A long log takes its time to read; only then does the admin socket open.
      const pid = status?.state === 'running' ? status.node?.pid : undefined;
      if (status && pid !== undefined && pid === firstPid && (await isStillWorking(pid, WORKING_FOR_MS)))
        return { ...stateOfStatus(folder, status), reason: STILL_READING };
      const waited = `it did not answer on ${folder.adminSocket} within ${START_TIMEOUT_MS / 1000} s`;
      throw await startFailure(folder, 'timeout', status?.reason ? `${waited}; ${status.reason}` : waited);
    }
    await pause(POLL_MS);
  }
}

/** Whether it answers calls, or what it says that it is doing before it can; null: no answer. */
async function lookAtAdmin(folder: NodeFolder): Promise<{ readonly starting: string | null } | null> {
  try {
    // Not `sample`: that would begin a new interval of the node's percentiles.
    const { result } = adminCalls.listFaults;
    const socketPath = folder.adminSocket;
    await callSocket({ socketPath, call: 'listFaults', params: {}, result, timeoutMs: STATUS_TIMEOUT_MS });
    return { starting: null };
  } catch (error) {
    return isFailure(error, 'starting') ? { starting: (error as CallFailedError).message } : null;
  }
}

async function startFailure(folder: NodeFolder, kind: 'failed' | 'timeout', why: string): Promise<CallFailedError> {
  const lines = await tailLog(folder.logPath, REASON_LINES).catch(() => []);
  const message = [
    `node ${folder.nodeId} did not start: ${why}`,
    'last lines of its log:',
    ...lines.map(lineInWords),
  ].join('\n');
  return failCall(kind, message, `look at ${folder.logPath}, put the cause right and start the node again`);
}

/** Done when node and supervisor are gone. */
export async function stopNode(folder: NodeFolder): Promise<ServiceState> {
  const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS);
  const supervisor = status ? identify(status.supervisorPid) : await findRecorded(folder.nodeDir, 'supervisor');
  await askIfThere(folder, 'stop', STOP_TIMEOUT_MS);
  if (supervisor && !(await endsWithin(supervisor, STOP_TIMEOUT_MS))) {
    throw failCall(
      'timeout',
      `the supervisor (pid ${supervisor.pid}) of ${folder.nodeId} did not end; ask again for its state`,
    );
  }
  const leftRunning = await findNode(folder.nodeDir);
  if (leftRunning) await endProcess(folder, leftRunning);
  for (const record of ['node', 'supervisor'] as const) removeRecord(folder.nodeDir, record);
  return serviceState(folder);
}

async function endProcess(folder: NodeFolder, node: ProcessIdentity): Promise<void> {
  signalProcess(node, 'SIGTERM');
  if (await endsWithin(node, 5_000)) return;
  signalProcess(node, 'SIGKILL');
  if (await endsWithin(node, 5_000)) return;
  throw failCall('timeout', `node ${folder.nodeId} (pid ${node.pid}) outlives SIGKILL: its disk may hang`);
}

async function endsWithin(process: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(process)) {
    if (performance.now() > deadline) return false;
    await pause(POLL_MS);
  }
  return true;
}

/** SIGKILL to the node's process, through its supervisor where there is one, which then starts it again. */
export async function killNode(folder: NodeFolder): Promise<{ killedPid: number }> {
  const killed = await askIfThere(folder, 'kill', STATUS_TIMEOUT_MS);
  if (killed) return killed;
  const node = await findNode(folder.nodeDir);
  if (!node || !signalProcess(node, 'SIGKILL')) {
    throw failCall('notRunning', `node ${folder.nodeId} is not running`, 'start it first');
  }
  return { killedPid: node.pid };
}
