/**
 * The round-trip matrix: every host listens on the ports that a cluster would use there, and every host calls every other. All at
 * once, since each call costs little; the listeners end with their channels, whatever becomes of the engine.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { createInterface } from 'node:readline';
import type { CheckLink } from '../../contract/model.ts';
import type { HostConnection } from '../ssh/connection.ts';
import type { HostChannel } from '../ssh/host-channel.ts';
import { callCommand, type Call, LISTEN_SECONDS, listenCommand, NO_INTERPRETER, parseCalls } from './link-probe.ts';
import { linkItem } from './plan/link-items.ts';

const READY_WITHIN_MS = 10_000;

export interface LinkHost {
  readonly hostId: string;
  /** Where the others would reach its node. */
  readonly address: string;
  readonly ports: readonly number[];
  readonly connection: HostConnection;
}

interface Listening {
  /** Ports that could not be had, with the reason. */
  readonly taken: ReadonlyMap<number, string>;
  /** null: it listens. */
  readonly why: string | null;
  readonly close: () => void;
}

const noInterpreter = 'it has neither python3 nor perl';

/** Every ordered pair of hosts and each port of the second. Never throws for a host: what is not known says so. */
export async function checkLinks(hosts: readonly LinkHost[], signal: AbortSignal): Promise<CheckLink[]> {
  if (hosts.length < 2) return [];
  const word = randomBytes(8).toString('hex');
  const listeners = new Map<string, Listening>();
  try {
    await Promise.all(hosts.map(async (host) => listeners.set(host.hostId, await listen(host, word, signal))));
    const called = await Promise.all(hosts.map((from) => callFrom({ from, hosts, word, signal })));
    return called.flatMap(({ from, calls, why }) => linksFrom({ from, hosts, listeners, calls, why }));
  } finally {
    for (const { close } of listeners.values()) close();
  }
}

async function listen(host: LinkHost, word: string, signal: AbortSignal): Promise<Listening> {
  let channel: HostChannel;
  try {
    // A name may stand for another address in the host's own eyes.
    const address = isIP(host.address) === 0 ? '0.0.0.0' : host.address;
    const command = listenCommand({ word, address, ports: host.ports });
    channel = await host.connection.channel(command, { signal, timeoutMs: READY_WITHIN_MS });
  } catch (error) {
    return { taken: new Map(), why: (error as Error).message, close: () => {} };
  }
  const close = (): void => {
    channel.stdin.end();
    channel.close();
  };
  channel.stderr.resume();
  const taken = new Map<number, string>();
  const lines = createInterface({ input: channel.stdout });
  const timeout = setTimeout(close, READY_WITHIN_MS);
  try {
    for await (const line of lines) {
      const refusal = /^taken (\d+) (.*)$/.exec(line);
      if (refusal !== null) taken.set(Number(refusal[1]), refusal[2] ?? '');
      if (line === 'ready') return { taken, why: null, close };
    }
  } finally {
    clearTimeout(timeout);
  }
  const { exitCode } = await channel.exited;
  const why = exitCode === NO_INTERPRETER ? noInterpreter : `its listener ended at once (exit code ${exitCode})`;
  return { taken, why, close };
}

async function callFrom(of: {
  from: LinkHost;
  hosts: readonly LinkHost[];
  word: string;
  signal: AbortSignal;
}): Promise<{ from: LinkHost; calls: Call[]; why: string | null }> {
  const { from, hosts, word, signal } = of;
  const targets = hosts
    .filter((to) => to !== from)
    .flatMap(({ address, ports }) => ports.map((port) => ({ address, port })));
  try {
    const { stdout, exitCode } = await from.connection.exec(callCommand(word, targets), {
      expectedExitCodes: [0, NO_INTERPRETER],
      timeoutMs: (LISTEN_SECONDS - 5) * 1000,
      signal,
    });
    return { from, calls: parseCalls(stdout), why: exitCode === NO_INTERPRETER ? noInterpreter : null };
  } catch (error) {
    return { from, calls: [], why: (error as Error).message };
  }
}

function linksFrom(of: {
  from: LinkHost;
  hosts: readonly LinkHost[];
  listeners: ReadonlyMap<string, Listening>;
  calls: readonly Call[];
  why: string | null;
}): CheckLink[] {
  return of.hosts
    .filter((to) => to !== of.from)
    .flatMap((to) =>
      to.ports.map((port) => {
        const at = of.listeners.get(to.hostId);
        const taken = at?.taken.get(port) ?? null;
        return linkItem({
          fromHostId: of.from.hostId,
          toHostId: to.hostId,
          port,
          listener: at?.why !== null ? 'none' : taken !== null ? 'taken' : 'listening',
          call: of.calls.find((call) => call.address === to.address && call.port === port) ?? null,
          why: of.why ?? at?.why ?? taken,
        });
      }),
    );
}
