/**
 * A host's agent over the life of the engine. The channel under it comes and goes with the network; the session opens it
 * again in place, with back-off, and whoever holds the session need not notice. Nothing is replayed: a call that was in
 * flight when the channel broke fails with what is known about it.
 */
import type { Logger } from 'pino';
import type { NodeEvent } from '../../../cluster-node/contract/admin.ts';
import type { AgentCall, AgentParams, AgentResult } from '../../../cluster-node/contract/agent.ts';
import type { Sample } from '../../../cluster-node/contract/sample.ts';
import type { ShellCommand } from '../ssh/shell-command.ts';
import { needsOperator, SshError } from '../ssh/ssh-error.ts';
import { AgentError } from './agent-error.ts';
import { type AgentChannel, AgentLink, type Hello, type NodeEventsPush } from './agent-link.ts';
import { ClockOffset } from './clock-offset.ts';

export interface AgentTarget {
  readonly hostId: string;
  /** For people. */
  readonly host: string;
  /** What starts the agent there: see `agentTarget`. */
  readonly command: ShellCommand;
  /** With root's rights. */
  readonly asRoot: boolean;
}

/** Opens a channel on which `target.command` runs. Throws what the transport throws. */
export type OpenAgentChannel = (target: AgentTarget, signal: AbortSignal) => Promise<AgentChannel>;

export interface ReceivedSample {
  readonly hostId: string;
  readonly sample: Sample;
  /** When it was captured, on the engine's clock. */
  readonly atUnixMs: number;
  readonly clockOffsetMs: number;
}

export interface ReceivedNodeEvents {
  readonly hostId: string;
  readonly nodeId: string;
  readonly boot: number;
  /** `atUnixMs` is corrected to the engine's clock. */
  readonly events: readonly NodeEvent[];
}

export interface AgentListener {
  onSample(received: ReceivedSample): void;
  onNodeEvents(received: ReceivedNodeEvents): void;
  /** The agent answers now, or no longer does (with the reason). */
  onState(hostId: string, state: AgentState): void;
}

export type AgentState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'ready'; readonly hello: Hello }
  | { readonly kind: 'lost'; readonly reason: unknown };

export interface SessionOptions {
  readonly target: AgentTarget;
  readonly open: OpenAgentChannel;
  readonly listener: AgentListener;
  readonly log: Logger;
  readonly clock: () => number;
  /** Waits between two attempts; default: a real timer. Ends early, without throwing, when the signal aborts. */
  readonly delay?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;
const CALL_TIMEOUT_MS = 10_000;
/** Starting a node includes reading its log; the agent answers when the node does. */
const SERVICE_TIMEOUT_MS = 30_000;
/** How long the transfer's own timeout may be overrun by its answer. */
const TRANSFER_MARGIN_MS = 3000;

export class AgentSession {
  readonly target: AgentTarget;
  readonly #options: SessionOptions;
  readonly #closing = new AbortController();
  readonly #offset = new ClockOffset();
  readonly #done: Promise<void>;
  #retry = new AbortController();
  #link: AgentLink | null = null;
  #undated: NodeEventsPush[] = [];
  #state: AgentState = { kind: 'connecting' };

  constructor(options: SessionOptions) {
    this.target = options.target;
    this.#options = options;
    this.#done = this.#keepOpen();
  }

  get state(): AgentState {
    return this.#state;
  }

  /** Host clock minus engine clock, milliseconds; null: unknown. */
  get clockOffsetMs(): number | null {
    return this.#offset.offsetMs;
  }

  async #keepOpen(): Promise<void> {
    const signal = this.#closing.signal;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        // A greeting proves little: an agent that greets and dies must not be started again all the time.
        const reason = await this.#liveOnce(() => {
          failures = 0;
        });
        this.#become({ kind: 'lost', reason });
      } catch (error) {
        this.#become({ kind: 'lost', reason: error });
      }
      if (signal.aborted) return;
      await this.#pause(this.#waitsForOperator() ? null : Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS));
    }
  }

  /** One channel from opening to its end; returns why it ended. */
  async #liveOnce(onSample: () => void): Promise<unknown> {
    const { target, open } = this.#options;
    const channel = await open(target, this.#closing.signal);
    const link = new AgentLink({
      channel,
      host: target.host,
      onSample: ({ sample }) => {
        onSample();
        this.#sampled(sample);
      },
      onNodeEvents: (push) => this.#happened(push),
    });
    this.#link = link;
    if (this.#closing.signal.aborted) link.close();
    try {
      const hello = await link.hello;
      this.#become({ kind: 'ready', hello });
      return await link.ended;
    } finally {
      this.#link = null;
      link.close();
    }
  }

  #sampled(sample: Sample): void {
    const received = this.#options.clock();
    this.#offset.observe(sample.capturedAtUnixMs, received);
    this.#options.listener.onSample({
      hostId: this.target.hostId,
      sample,
      atUnixMs: this.#offset.toEngine(sample.capturedAtUnixMs),
      clockOffsetMs: this.#offset.offsetMs ?? 0,
    });
    for (const push of this.#undated.splice(0)) this.#happened(push);
  }

  /** Events wait for the first sample: until then it is not known how to date them. */
  #happened(push: NodeEventsPush): void {
    if (this.#offset.offsetMs === null) return void this.#undated.push(push);
    const events = push.events.map((event) => ({ ...event, atUnixMs: this.#offset.toEngine(event.atUnixMs) }));
    this.#options.listener.onNodeEvents({
      hostId: this.target.hostId,
      nodeId: push.nodeId,
      boot: push.boot,
      events,
    });
  }

  #become(state: AgentState): void {
    if (this.#closing.signal.aborted && state.kind !== 'lost') return;
    const { log, target, listener } = this.#options;
    if (state.kind === 'lost' && this.#state.kind !== 'lost' && !this.#closing.signal.aborted)
      log.warn({ host: target.host, err: state.reason }, 'agent lost');
    if (state.kind === 'ready') log.info({ host: target.host, version: state.hello.version }, 'agent ready');
    this.#state = state;
    listener.onState(target.hostId, state);
  }

  /** A login that was refused is not tried again by itself: that could lock the account, and cannot cure a changed key. */
  #waitsForOperator(): boolean {
    return this.#state.kind === 'lost' && this.#state.reason instanceof SshError && needsOperator(this.#state.reason);
  }

  /** null: until `retryNow` or the end. */
  async #pause(milliseconds: number | null): Promise<void> {
    this.#retry = new AbortController();
    const signal = AbortSignal.any([this.#retry.signal, this.#closing.signal]);
    if (milliseconds !== null) await (this.#options.delay ?? realDelay)(milliseconds, signal);
    else if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }

  /** Tries at once instead of waiting: the host was just reached again, or the operator has decided what was asked. */
  retryNow(): void {
    this.#retry.abort();
  }

  /** Throws AgentError; see its `outcomeUnknown`. */
  async call<C extends AgentCall>(name: C, params: AgentParams<C>): Promise<AgentResult<C>> {
    const link = this.#link;
    if (link === null || this.#state.kind !== 'ready') throw notConnected(this.target.host, name, this.#state);
    return link.call(name, params, timeoutOf(name, params));
  }

  /** Ends the agent on the host. Nodes go on. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#link?.close();
    await this.#done;
  }
}

export function notConnected(host: string, call: AgentCall, state: AgentState | null): AgentError {
  const why = state?.kind === 'lost' && state.reason instanceof Error ? ` (${state.reason.message})` : '';
  return new AgentError(
    {
      kind: 'notConnected',
      host,
      command: `synod-node agent: ${call}`,
      message: `${host}: the agent cannot be asked now${why}`,
      nextStep: 'Synod connects again by itself; look at how the host is reachable, then run it again.',
      outcomeUnknown: false,
    },
    state?.kind === 'lost' ? { cause: state.reason } : undefined,
  );
}

function timeoutOf(name: AgentCall, params: object): number {
  if ((name === 'transferLeadership' || name === 'reconfigure') && 'timeoutMs' in params)
    return Number(params.timeoutMs) + TRANSFER_MARGIN_MS;
  return name === 'start' || name === 'stop' || name === 'restart' || name === 'remove'
    ? SERVICE_TIMEOUT_MS
    : CALL_TIMEOUT_MS;
}

function realDelay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
