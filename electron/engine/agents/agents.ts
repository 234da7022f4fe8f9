/**
 * The agents of the fleet: one session per host that has a node. An agent runs on its host only while this session's
 * channel lives, so closing the console leaves no process behind but the nodes. Everything that the engine learns from a
 * running cluster and everything that it does to one goes through here.
 */
import type { AgentCall, AgentParams, AgentResult } from '../../../cluster-node/contract/agent.ts';
import { hostLayout, hostPlace, type PlaceName } from '../../../cluster-node/contract/host-layout.ts';
import { type ShellCommand, sh } from '../ssh/shell-command.ts';
import {
  type AgentListener,
  AgentSession,
  type AgentState,
  type AgentTarget,
  notConnected,
  type SessionOptions,
} from './agent-session.ts';

/** What an agent is started from: versions, and the place where its nodes are. */
export interface AgentVersions {
  readonly runtimeVersion: string;
  readonly releaseVersion: string;
  readonly place: PlaceName;
}

/** The agent of this release for this host's nodes. */
export function agentTarget(host: { hostId: string; name: string }, versions: AgentVersions): AgentTarget {
  const asRoot = versions.place === 'system';
  return {
    hostId: host.hostId,
    host: host.name,
    asRoot,
    command: asRoot ? systemCommand(versions) : homeCommand(versions),
  };
}

/** A session may begin elsewhere than in $HOME (SetEnv, login scripts). */
function homeCommand({ runtimeVersion, releaseVersion }: AgentVersions): ShellCommand {
  return sh`cd "$HOME" && exec ${hostLayout.runtime(runtimeVersion)} ${hostLayout.release(releaseVersion)} agent`;
}

function systemCommand({ runtimeVersion, releaseVersion }: AgentVersions): ShellCommand {
  const place = hostPlace('system');
  return sh`cd / && exec ${place.runtime(runtimeVersion)} ${place.release(releaseVersion)} agent --place system`;
}

export type AgentsOptions = Omit<SessionOptions, 'target' | 'listener'>;

export class Agents {
  readonly #options: AgentsOptions;
  readonly #sessions = new Map<string, AgentSession>();
  readonly #listeners = new Set<AgentListener>();
  readonly #fanOut: AgentListener;

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#fanOut = {
      onSample: (received) => this.#tell((listener) => listener.onSample(received)),
      onNodeEvents: (received) => this.#tell((listener) => listener.onNodeEvents(received)),
      onState: (hostId, state) => this.#tell((listener) => listener.onState(hostId, state)),
    };
  }

  /** What goes wrong in a listener is no fault of the agent, and no reason to end its channel. */
  #tell(tell: (listener: AgentListener) => void): void {
    for (const listener of this.#listeners)
      try {
        tell(listener);
      } catch (error) {
        this.#options.log.error({ err: error }, 'what an agent said was not taken in');
      }
  }

  /** Calls back with everything that any agent says; returns how to stop. */
  listen(listener: AgentListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Keeps an agent running on this host. With another command than before, the old agent is ended and a new one started. */
  attach(target: AgentTarget): void {
    const known = this.#sessions.get(target.hostId);
    if (known?.target.command === target.command) return known.retryNow();
    void known?.close();
    this.#sessions.set(target.hostId, new AgentSession({ ...this.#options, target, listener: this.#fanOut }));
  }

  async detach(hostId: string): Promise<void> {
    const session = this.#sessions.get(hostId);
    this.#sessions.delete(hostId);
    await session?.close();
  }

  /** null: no agent is wanted there. */
  stateOf(hostId: string): AgentState | null {
    return this.#sessions.get(hostId)?.state ?? null;
  }

  /** Host clock minus engine clock, milliseconds; null: unknown. */
  clockOffsetMs(hostId: string): number | null {
    return this.#sessions.get(hostId)?.clockOffsetMs ?? null;
  }

  /** Throws AgentError; see its `outcomeUnknown`. */
  async call<C extends AgentCall>(hostId: string, name: C, params: AgentParams<C>): Promise<AgentResult<C>> {
    const session = this.#sessions.get(hostId);
    if (!session) throw notConnected(hostId, name, null);
    return session.call(name, params);
  }

  /** Ends every agent. Nodes go on. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((hostId) => this.detach(hostId)));
  }
}
