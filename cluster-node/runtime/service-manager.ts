/** What a node tells the systemd that started it (sd_notify(3), systemd.service(5)); nothing where none did. */
import type { Logger } from 'pino';
import { NotifyChannel } from './notify-channel.ts';

/** A start may take as long as it has to, as long as the event loop turns. */
const STARTING_BEAT_MS = 5_000;
const EXTENSION_USEC = 30_000_000;
/** Two beats may be lost or late. */
const BEATS_PER_WATCHDOG = 3;

export interface ServiceManager {
  /** Until `ready`: asks for patience, with what the node is at in words. */
  starting(doing: () => string): void;
  ready(): void;
  /** The core has done its work up to now: the watchdog's sign of life, at most once in a third of what it waits for. */
  alive(nowMs: number): void;
  stopping(): void;
}

const nobody: ServiceManager = {
  starting: () => undefined,
  ready: () => undefined,
  alive: () => undefined,
  stopping: () => undefined,
};

/** `env` is the environment that the service manager gave this process. */
export function serviceManagerOf(env: NodeJS.ProcessEnv, logger: Logger): ServiceManager {
  if (!env['NOTIFY_SOCKET']) return nobody;
  const channel = new NotifyChannel((error) => logger.warn({ err: error }, 'systemd cannot be told how this node is'));
  return systemd((message) => channel.send(message), beatMsOf(env));
}

/** Milliseconds between signs of life; null: nobody waits for them. */
function beatMsOf(env: NodeJS.ProcessEnv): number | null {
  const watchdogUsec = Number(env['WATCHDOG_USEC']);
  const isForUs = Number(env['WATCHDOG_PID'] ?? process.pid) === process.pid;
  return isForUs && watchdogUsec > 0 ? watchdogUsec / 1000 / BEATS_PER_WATCHDOG : null;
}

export function systemd(send: (message: string) => void, beatMs: number | null): ServiceManager {
  let patience: NodeJS.Timeout | undefined;
  let aliveAtMs = Number.NEGATIVE_INFINITY;
  return {
    starting: (doing) => {
      const beat = () => {
        send(`EXTEND_TIMEOUT_USEC=${EXTENSION_USEC}`);
        send(`STATUS=${doing()}`);
      };
      patience = setInterval(beat, STARTING_BEAT_MS);
      patience.unref();
    },
    ready: () => {
      clearInterval(patience);
      send('STATUS=it answers');
      send('READY=1');
    },
    alive: (nowMs) => {
      if (beatMs === null || nowMs - aliveAtMs < beatMs) return;
      aliveAtMs = nowMs;
      send('WATCHDOG=1');
    },
    stopping: () => {
      clearInterval(patience);
      send('STATUS=it stops');
      send('STOPPING=1');
    },
  };
}
