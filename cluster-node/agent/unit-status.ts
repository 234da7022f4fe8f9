/** What systemd says of a node's unit, read and put into words. Pure. */
import { constants } from 'node:os';
import { restartIsFutile } from '../contract/exit-codes.ts';
import type { ServiceState } from '../contract/sample.ts';
import { describeExit } from '../supervisor/restart-policy.ts';
import { failCall } from '../supervisor/socket-call.ts';

/** Of org.freedesktop.systemd1(5). */
const properties = [
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'MainPID',
  'NRestarts',
  'ExecMainCode',
  'ExecMainStatus',
  'StatusText',
  'InvocationID',
] as const;
type Property = (typeof properties)[number];
export const SHOWN_PROPERTIES = properties.join(',');

export interface UnitStatus {
  readonly state: 'absent' | 'stopped' | 'starting' | 'running' | 'stopping' | 'restarting' | 'failed';
  readonly mainPid: number | null;
  readonly restarts: number;
  /** Why it is not running, or what it is at while it starts, in words. */
  readonly reason: string | null;
  /** Names one life of the unit; empty before the first. */
  readonly invocation: string;
}

/**
 * `text` is what `systemctl show -p …` wrote about one unit. Throws CallFailedError where it does not say how the unit is: that must not
 * pass for a stopped one.
 */
export function parseUnitStatus(text: string): UnitStatus {
  const shown = new Map(text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), afterEqual(line)]));
  const of = (property: Property): string => shown.get(property) ?? '';
  if (of('ActiveState') === '' || of('LoadState') === '')
    throw failCall('failed', `systemctl did not say how the unit is: '${text.slice(0, 200)}'`);
  const state = stateOf(of);
  const mainPid = Number(of('MainPID')) || null;
  const isDown = state === 'failed' || state === 'restarting';
  return {
    state,
    mainPid: state === 'restarting' ? null : mainPid,
    restarts: Number(of('NRestarts')) || 0,
    reason: isDown ? whyDown(of) : state === 'starting' ? of('StatusText') || null : null,
    invocation: of('InvocationID'),
  };
}

type Shown = (property: Property) => string;

function afterEqual(line: string): string {
  return line.slice(line.indexOf('=') + 1);
}

function stateOf(of: Shown): UnitStatus['state'] {
  const sub = of('SubState');
  // Since systemd 254 also "auto-restart-queued", and "failed-before-auto-restart" for a moment.
  if (sub.includes('auto-restart')) return 'restarting';
  switch (of('ActiveState')) {
    case 'active':
    case 'reloading':
      return 'running';
    case 'activating':
      return 'starting';
    case 'deactivating':
      return 'stopping';
    case 'failed':
      return 'failed';
    default:
      return of('LoadState') === 'loaded' ? 'stopped' : 'absent';
  }
}

/** `ExecMainCode` is si_code of waitid(2): 1 exited, 2 killed, 3 dumped. */
function whyDown(of: Shown): string {
  const status = Number(of('ExecMainStatus'));
  const exited = Number(of('ExecMainCode')) === 1;
  switch (of('Result')) {
    case 'exit-code':
      return exited ? whyExited(status) : 'the node ended in an unknown way';
    case 'signal':
    case 'core-dump':
      return describeExit({ code: null, signal: signalName(status) });
    case 'watchdog':
      return 'the node gave no sign of life for too long and was ended by the watchdog';
    case 'start-limit-hit':
      return 'it was started too often within a short time, and systemd has given up';
    case 'timeout':
      return 'it took too long to start or to stop and was ended by systemd';
    case 'oom-kill':
      return 'the host ran out of memory and the kernel ended the node';
    case 'protocol':
      return 'the node ended before it had said that it is ready';
    case 'resources':
      return 'systemd could not set up what the unit asks for, such as a folder of its own';
    case 'success':
      return describeExit({ code: 0, signal: null });
    default:
      return `systemd says: ${of('Result') || 'nothing'}`;
  }
}

function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`;
}

/** Exit codes from 200 on are systemd's own, of what goes wrong before the program starts (systemd.exec(5), "Process exit codes"). */
function whyExited(status: number): string {
  if (status === EXIT_NAMESPACE) return 'a folder that the unit names is not there: is the data disk mounted?';
  if (status === EXIT_EXEC) return 'the program that the unit names is not there or cannot be executed';
  if (status === EXIT_USER) return 'the user that the unit names does not exist';
  if (status >= 200) return `systemd could not start the program (exit code ${status}, see systemd.exec(5))`;
  const why = describeExit({ code: status, signal: null });
  return restartIsFutile.has(status) ? `${why}, with which it says that starting it again cannot help` : why;
}

const EXIT_EXEC = 203;
const EXIT_USER = 217;
const EXIT_NAMESPACE = 226;

export function serviceStateOf(nodeId: string, unit: string, status: UnitStatus): ServiceState {
  const { restarts, mainPid: pid, reason } = status;
  switch (status.state) {
    case 'absent':
      return { nodeId, state: 'stopped', pid: null, restarts, reason: `systemd knows no unit ${unit}` };
    case 'starting':
    case 'stopping':
      return { nodeId, state: pid === null ? 'restarting' : 'running', pid, restarts, reason };
    default:
      return { nodeId, state: status.state, pid, restarts, reason };
  }
}
