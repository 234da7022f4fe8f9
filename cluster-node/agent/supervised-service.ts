/**
 * Start, stop and state of the nodes that supervisors keep, as these tell. A supervisor is started by the
 * login's systemd or in a session of its own, and is never this agent's to end: the agent dies with its SSH session, nodes do not.
 */
import { closeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceState } from '../contract/sample.ts';
import { askSupervisor, type SupervisorCall, type SupervisorStatus } from '../supervisor/control.ts';
import { launchRelease, readLaunch, supervisorArguments } from '../supervisor/launch.ts';
import { appendSupervisorLine, lineInWords, openLog } from '../supervisor/node-log.ts';
import {
  currentBootId,
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from '../supervisor/process-identity.ts';
import { findNode, findRecorded, readRecord, removeRecord } from '../supervisor/run-records.ts';
import { ALREADY_SUPERVISED_EXIT_CODE } from '../supervisor/supervise.ts';
import { CallFailedError, failCall } from '../supervisor/socket-call.ts';
import { lookAtAdmin, STILL_READING, unknownState } from './answering.ts';
import { tailLogFile } from './log-tail.ts';
import type { SupervisedFolder } from './node-folders.ts';
import type { NodeService } from './node-service.ts';
import { isStillWorking } from './still-working.ts';
import { runTool } from './systemctl.ts';

const STATUS_TIMEOUT_MS = 500;
/** Longer than the supervisor's grace from SIGTERM to SIGKILL. */
const STOP_TIMEOUT_MS = 15_000;
const START_TIMEOUT_MS = 20_000;
const UNIT_TIMEOUT_MS = 5_000;
const WORKING_FOR_MS = 500;
const POLL_MS = 25;
const REASON_LINES = 12;
const SUPERVISOR_LEFT = 'its supervisor ended meanwhile: somebody else stopped it';

export function supervisedService(folder: SupervisedFolder): NodeService {
  return {
    state: () => serviceState(folder),
    start: () => startNode(folder),
    restart: () => restartNode(folder),
    stop: () => stopNode(folder),
    kill: () => killNode(folder),
    tailLog: (lines) => tailLogFile(folder.logPath, lines),
  };
}

/** The supervisor's answer; null when there is no supervisor. */
async function askIfThere<C extends SupervisorCall>(folder: SupervisedFolder, call: C, timeoutMs: number) {
  try {
    return await askSupervisor(folder.supervisorSocket, call, timeoutMs);
  } catch (error) {
    if (error instanceof CallFailedError && error.callError.kind === 'notRunning') return null;
    throw error;
  }
}

async function serviceState(folder: SupervisedFolder): Promise<ServiceState> {
  try {
    const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS);
    return status ? stateOfStatus(folder, status) : await stateWithoutSupervisor(folder);
  } catch (error) {
    return unknownState(folder.nodeId, `the supervisor cannot be asked: ${(error as Error).message}`);
  }
}

function stateOfStatus(folder: SupervisedFolder, status: SupervisorStatus): ServiceState {
  const state = status.state === 'stopping' ? (status.node ? 'running' : 'stopped') : status.state;
  const { restarts, reason } = status;
  return { nodeId: folder.nodeId, state, pid: status.node?.pid ?? null, restarts, reason };
}

async function stateWithoutSupervisor(folder: SupervisedFolder): Promise<ServiceState> {
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

async function startNode(folder: SupervisedFolder): Promise<ServiceState> {
  const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS);
  if (status && isFailing(status)) await askSupervisor(folder.supervisorSocket, 'restart', STOP_TIMEOUT_MS);
  return waitUntilAnswering(folder, status ? () => SUPERVISOR_LEFT : await startSupervisor(folder));
}

async function restartNode(folder: SupervisedFolder): Promise<ServiceState> {
  const restarted = await askIfThere(folder, 'restart', STOP_TIMEOUT_MS);
  return waitUntilAnswering(folder, restarted ? () => SUPERVISOR_LEFT : await startSupervisor(folder));
}

/** Gives back a function that says why the supervisor could not be started; null as long as nothing is known against it. */
async function startSupervisor(folder: SupervisedFolder): Promise<() => string | null> {
  return (await startUserUnit(folder)) ? () => null : spawnSupervisor(folder);
}

/** false: there is none, or the login's service manager is of no help; the node runs all the same, until the next start of the host. */
async function startUserUnit({ userUnit, logPath }: SupervisedFolder): Promise<boolean> {
  if (userUnit === null) return false;
  const ask = (words: readonly string[]) =>
    runTool({ tool: 'systemctl', scope: 'user', arguments: words, timeoutMs: UNIT_TIMEOUT_MS });
  try {
    // What is counted against the unit is forgotten: an operator has asked.
    await ask(['reset-failed', userUnit]).catch(() => '');
    await ask(['start', userUnit]);
    return true;
  } catch (error) {
    appendSupervisorLine(logPath, 'warn', `started without ${userUnit}: ${(error as Error).message}`);
    return false;
  }
}

function spawnSupervisor(folder: SupervisedFolder): () => string | null {
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

/** A supervisor on a busy host listens before it gets round to answering: while one waits for it, that tells nothing yet. */
function lateAsUnknown(error: unknown): undefined {
  if (error instanceof CallFailedError && error.callError.kind === 'timeout') return undefined;
  throw error;
}

async function waitUntilAnswering(
  folder: SupervisedFolder,
  whyNoSupervisor: () => string | null,
): Promise<ServiceState> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let firstPid: number | undefined;
  for (;;) {
    const status = await askIfThere(folder, 'status', STATUS_TIMEOUT_MS).catch(lateAsUnknown);
    firstPid ??= status?.node?.pid;
    if (status && isFailing(status))
      throw await startFailure(folder, 'failed', status.reason ?? 'for an unknown reason');
    const admin = status?.node ? await lookAtAdmin(folder) : null;
    if (status && admin?.starting === null) return stateOfStatus(folder, status);
    const why = status === null ? whyNoSupervisor() : null;
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

async function startFailure(
  folder: SupervisedFolder,
  kind: 'failed' | 'timeout',
  why: string,
): Promise<CallFailedError> {
  const lines = await tailLogFile(folder.logPath, REASON_LINES).catch(() => []);
  const message = [
    `node ${folder.nodeId} did not start: ${why}`,
    'last lines of its log:',
    ...lines.map(lineInWords),
  ].join('\n');
  return failCall(kind, message, `look at ${folder.logPath}, put the cause right and start the node again`);
}

async function stopNode(folder: SupervisedFolder): Promise<ServiceState> {
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

async function endProcess(folder: SupervisedFolder, node: ProcessIdentity): Promise<void> {
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

async function killNode(folder: SupervisedFolder): Promise<{ killedPid: number }> {
  const killed = await askIfThere(folder, 'kill', STATUS_TIMEOUT_MS);
  if (killed) return killed;
  const node = await findNode(folder.nodeDir);
  if (!node || !signalProcess(node, 'SIGKILL')) {
    throw failCall('notRunning', `node ${folder.nodeId} is not running`, 'start it first');
  }
  return { killedPid: node.pid };
}
