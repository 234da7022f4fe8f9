/**
 * Start, stop and state of a node that the host's systemd keeps: the same calls as of a supervised one. What systemd is asked for goes
 * on by itself when this agent dies.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceState } from '../contract/sample.ts';
import { lineInWords } from '../supervisor/node-log.ts';
import { identify, signalProcess } from '../supervisor/process-identity.ts';
import { type CallFailedError, failCall } from '../supervisor/socket-call.ts';
import { lookAtAdmin, STILL_READING, unknownState } from './answering.ts';
import { tailJournal } from './journal.ts';
import type { UnitFolder } from './node-folders.ts';
import type { NodeService } from './node-service.ts';
import { isStillWorking } from './still-working.ts';
import { runTool } from './systemctl.ts';
import { parseUnitStatus, serviceStateOf, SHOWN_PROPERTIES, type UnitStatus } from './unit-status.ts';

const SHOW_TIMEOUT_MS = 600;
const ASK_TIMEOUT_MS = 5_000;
/** Longer than the unit's TimeoutStopSec, after which systemd kills. */
const STOP_TIMEOUT_MS = 15_000;
const START_TIMEOUT_MS = 20_000;
/** A node that systemd has started again so often since it was asked to start it is failing. */
const FAILING_RESTARTS = 3;
const WORKING_FOR_MS = 500;
const POLL_MS = 50;
const REASON_LINES = 5;
const FAILURE_LINES = 12;

export function systemdService(folder: UnitFolder): NodeService {
  return {
    state: () => serviceState(folder),
    start: () => startNode(folder),
    restart: () => restartNode(folder),
    stop: () => stopNode(folder),
    kill: () => killNode(folder),
    tailLog: (lines) => tailJournal(folder.unit, lines),
  };
}

async function serviceState(folder: UnitFolder): Promise<ServiceState> {
  try {
    const status = await showUnit(folder, SHOW_TIMEOUT_MS);
    const state = serviceStateOf(folder.nodeId, folder.unit, status);
    const isDown = status.state === 'failed' || status.state === 'restarting';
    return isDown ? { ...state, reason: await withLastWords(folder, status) } : state;
  } catch (error) {
    return unknownState(folder.nodeId, `systemd cannot be asked: ${(error as Error).message}`);
  }
}

async function showUnit({ unit }: UnitFolder, timeoutMs: number): Promise<UnitStatus> {
  const shown = ['show', '--property', SHOWN_PROPERTIES, unit];
  return parseUnitStatus(await systemctl(shown, timeoutMs));
}

function systemctl(words: readonly string[], timeoutMs: number): Promise<string> {
  return runTool({ tool: 'systemctl', scope: 'system', arguments: words, timeoutMs });
}

/** By unit: the last words of a life do not change, and are asked for every second. */
const lastWords = new Map<string, { readonly invocation: string; readonly lines: readonly string[] }>();

async function withLastWords({ unit }: UnitFolder, { reason, invocation }: UnitStatus): Promise<string> {
  let known = lastWords.get(unit);
  if (known?.invocation !== invocation) {
    const lines = await tailJournal(unit, REASON_LINES).catch(() => []);
    known = { invocation, lines };
    lastWords.set(unit, known);
  }
  return [reason, ...known.lines.map(lineInWords)].join('\n');
}

async function startNode(folder: UnitFolder): Promise<ServiceState> {
  const before = await showUnit(folder, ASK_TIMEOUT_MS);
  await takeUpAgain(folder, before);
  await ask('start', folder);
  return waitUntilAnswering(folder, { restarts: before.state === 'running' ? before.restarts : 0, endedLife: null });
}

async function restartNode(folder: UnitFolder): Promise<ServiceState> {
  const before = await showUnit(folder, ASK_TIMEOUT_MS);
  await takeUpAgain(folder, before);
  await ask('restart', folder);
  return waitUntilAnswering(folder, { restarts: 0, endedLife: before.invocation || null });
}

/** Whatever systemd counts against the unit is forgotten: an operator has asked. */
async function takeUpAgain(folder: UnitFolder, { state }: UnitStatus): Promise<void> {
  if (state === 'absent') throw failCall('failed', `systemd knows no unit ${folder.unit}`, 'provision the node again');
  if (state === 'failed' || state === 'restarting') await ask('reset-failed', folder);
}

/** Returns when systemd has taken the request in. */
async function ask(verb: 'start' | 'restart' | 'reset-failed', { unit }: UnitFolder): Promise<void> {
  const words = verb === 'reset-failed' ? [verb, unit] : [verb, '--no-block', unit];
  await systemctl(words, ASK_TIMEOUT_MS);
}

interface Before {
  readonly restarts: number;
  /** The life that must have ended first. */
  readonly endedLife: string | null;
}

async function waitUntilAnswering(folder: UnitFolder, before: Before): Promise<ServiceState> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  let firstPid: number | null = null;
  for (;;) {
    const status = await showUnit(folder, ASK_TIMEOUT_MS);
    const { state, mainPid, invocation } = status;
    const isNewLife = invocation !== '' && invocation !== before.endedLife;
    const failedAgain = state === 'restarting' && status.restarts - before.restarts >= FAILING_RESTARTS;
    if ((state === 'failed' && isNewLife) || failedAgain)
      throw await startFailure(folder, 'failed', whyFailing(status, failedAgain));
    firstPid ??= mainPid;
    const admin = isNewLife && mainPid !== null ? await lookAtAdmin(folder) : null;
    if (state === 'running' && admin?.starting === null) return serviceStateOf(folder.nodeId, folder.unit, status);
    if (performance.now() > deadline) {
      const running = serviceStateOf(folder.nodeId, folder.unit, status);
      // It may have to wait for a snapshot from a peer, and says so.
      if (admin?.starting) return { ...running, reason: admin.starting };
      // A long log takes its time to read; only then does the admin socket open.
      if (mainPid !== null && mainPid === firstPid && (await isStillWorking(mainPid, WORKING_FOR_MS)))
        return { ...running, reason: STILL_READING };
      const waited = `it did not answer on ${folder.adminSocket} within ${START_TIMEOUT_MS / 1000} s`;
      throw await startFailure(folder, 'timeout', status.reason ? `${waited}; ${status.reason}` : waited);
    }
    await pause(POLL_MS);
  }
}

function whyFailing({ reason, restarts }: UnitStatus, failedAgain: boolean): string {
  const why = reason ?? 'for an unknown reason';
  return failedAgain ? `${why}; systemd has started it again ${restarts} times in a row and goes on` : why;
}

async function startFailure(folder: UnitFolder, kind: 'failed' | 'timeout', why: string): Promise<CallFailedError> {
  const lines = await tailJournal(folder.unit, FAILURE_LINES).catch(() => []);
  const message = [
    `node ${folder.nodeId} did not start: ${why}`,
    'last lines of its log:',
    ...lines.map(lineInWords),
  ].join('\n');
  return failCall(
    kind,
    message,
    `look at 'journalctl -u ${folder.unit}', put the cause right and start the node again`,
  );
}

async function stopNode(folder: UnitFolder): Promise<ServiceState> {
  const { unit } = folder;
  if ((await showUnit(folder, ASK_TIMEOUT_MS)).state !== 'absent') {
    await systemctl(['stop', unit], STOP_TIMEOUT_MS);
    // However it ended: it was asked to.
    if ((await showUnit(folder, ASK_TIMEOUT_MS)).state === 'failed') await ask('reset-failed', folder);
  }
  return serviceState(folder);
}

async function killNode(folder: UnitFolder): Promise<{ killedPid: number }> {
  const { mainPid } = await showUnit(folder, ASK_TIMEOUT_MS);
  const node = mainPid === null ? null : identify(mainPid);
  if (!node || !signalProcess(node, 'SIGKILL')) {
    throw failCall('notRunning', `node ${folder.nodeId} is not running`, 'start it first');
  }
  return { killedPid: node.pid };
}
