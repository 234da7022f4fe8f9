/**
 * One life of the channel to an agent: from its first line to its end. Every line that comes in is parsed here, once, and
 * what does not parse ends the link, since nothing after it can be trusted to be what it seems.
 */
import type { Readable, Writable } from 'node:stream';
import type { CallError } from '../../../cluster-node/contract/admin.ts';
import {
  AGENT_PROTOCOL_VERSION,
  type AgentCall,
  type AgentMessage,
  type AgentParams,
  type AgentResult,
  agentCalls,
  agentMessageSchema,
  MAX_AGENT_LINE_BYTES,
} from '../../../cluster-node/contract/agent.ts';
import { AgentError, type AgentErrorKind } from './agent-error.ts';
import { LineReader } from './line-reader.ts';

/** The streams of a running agent: an SSH channel or a child process. The agent ends when its input ends. */
export interface AgentChannel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Gives the channel back, where ending its input is not enough. */
  readonly close?: () => void;
}

export type Hello = Extract<AgentMessage, { kind: 'hello' }>;
export type SamplePush = Extract<AgentMessage, { kind: 'sample' }>;
export type NodeEventsPush = Extract<AgentMessage, { kind: 'nodeEvents' }>;

export interface LinkOptions {
  readonly channel: AgentChannel;
  /** Name of the host, for errors. */
  readonly host: string;
  readonly onSample: (push: SamplePush) => void;
  readonly onNodeEvents: (push: NodeEventsPush) => void;
}

const HELLO_TIMEOUT_MS = 15_000;
/** Samples come once a second; an agent that says nothing for this long is as good as gone. */
const SILENCE_MS = 6000;
const MAX_UNSENT_BYTES = 1 << 20;
const MAX_STDERR_BYTES = 4096;

/** Calls that change something: when their answer is lost, what they did is unknown. */
const changing: ReadonlySet<AgentCall> = new Set<AgentCall>([
  'start',
  'stop',
  'restart',
  'kill',
  'remove',
  'transferLeadership',
  'reconfigure',
  'injectFault',
  'healFault',
]);

interface Pending {
  readonly settle: (reply: { result: unknown } | { error: AgentError }) => void;
  readonly fail: (kind: AgentErrorKind, message: string) => AgentError;
  readonly refused: (error: CallError) => AgentError;
}

export class AgentLink {
  /** The agent's first line. Rejects with AgentError when it does not come, or when it speaks another version. */
  readonly hello: Promise<Hello>;
  /** Resolves with the reason once the link is over. */
  readonly ended: Promise<AgentError>;
  readonly #options: LinkOptions;
  readonly #reader = new LineReader(MAX_AGENT_LINE_BYTES);
  readonly #pending = new Map<number, Pending>();
  readonly #greeting = Promise.withResolvers<Hello>();
  readonly #ending = Promise.withResolvers<AgentError>();
  #over = false;
  #greeted = false;
  #nextId = 1;
  #stderr = '';
  #watchdog: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.hello = this.#greeting.promise;
    this.hello.catch(() => undefined);
    this.ended = this.#ending.promise;
    this.#watchdog = setTimeout(() => this.#end('timeout', 'the agent did not greet'), HELLO_TIMEOUT_MS);
    this.#listen(options.channel);
  }

  #listen(channel: AgentChannel): void {
    channel.stdout.on('data', (chunk: Buffer) => this.#receive(chunk));
    channel.stdout.on('end', () => this.#end('connectionLost', 'the agent ended'));
    channel.stdout.on('close', () => this.#end('connectionLost', 'the channel closed'));
    channel.stdout.on('error', (error) => this.#end('connectionLost', error.message, error));
    channel.stdin.on('error', (error) => this.#end('connectionLost', error.message, error));
    channel.stderr.on('error', () => undefined);
    channel.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-MAX_STDERR_BYTES);
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#greeted) this.#watch();
    for (const message of this.#messagesIn(chunk)) this.#dispatch(message);
  }

  /** Ends the link at the first line that is no message. What goes wrong with whoever takes a message in is not meant. */
  *#messagesIn(chunk: Buffer): Generator<AgentMessage, void, void> {
    try {
      for (const line of this.#reader.push(chunk)) {
        if (this.#over) return;
        yield agentMessageSchema.parse(JSON.parse(line));
      }
    } catch (error) {
      this.#end('badAnswer', 'the agent sent a line that is not of its protocol', error);
    }
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#end('silent', `nothing was heard for ${SILENCE_MS / 1000} s`), SILENCE_MS);
  }

  #dispatch(message: AgentMessage): void {
    if (!this.#greeted) return this.#greet(message);
    switch (message.kind) {
      case 'hello':
        return this.#end('badAnswer', 'the agent greeted twice');
      case 'sample':
        return this.#options.onSample(message);
      case 'nodeEvents':
        return this.#options.onNodeEvents(message);
      case 'reply': {
        const pending = this.#pending.get(message.id);
        this.#pending.delete(message.id);
        // A reply to a call that has timed out is late news; what it changed is read back by whoever asked.
        pending?.settle(message.ok ? { result: message.result } : { error: pending.refused(message.error) });
      }
    }
  }

  #greet(message: AgentMessage): void {
    if (message.kind !== 'hello') return this.#end('badAnswer', `the agent began with a ${message.kind}`);
    if (message.protocolVersion !== AGENT_PROTOCOL_VERSION)
      return this.#end(
        'wrongVersion',
        `the agent speaks protocol ${message.protocolVersion}, this console ${AGENT_PROTOCOL_VERSION}`,
      );
    this.#greeted = true;
    this.#watch();
    this.#greeting.resolve(message);
  }

  /**
   * Asks the agent and waits at most `timeoutMs`. Throws AgentError; `outcomeUnknown` says whether a change may have
   * happened all the same.
   */
  async call<C extends AgentCall>(name: C, params: AgentParams<C>, timeoutMs: number): Promise<AgentResult<C>> {
    const fail = (kind: AgentErrorKind, message: string) => this.#callError({ name, params, kind, message });
    if (this.#over || !this.#greeted) throw fail('notConnected', 'there is no agent to ask');
    if (this.#options.channel.stdin.writableLength > MAX_UNSENT_BYTES)
      throw fail('notConnected', 'the host does not take in what is sent to it');
    const result = await this.#exchange({ name, params, timeoutMs, fail });
    const parsed = agentCalls[name].result.safeParse(result);
    if (!parsed.success) throw fail('badAnswer', `the answer is not what ${name} answers: ${parsed.error.message}`);
    return parsed.data as AgentResult<C>;
  }

  #exchange(request: { name: AgentCall; params: unknown; timeoutMs: number; fail: Pending['fail'] }): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(request.fail('timeout', `no answer within ${request.timeoutMs / 1000} s`));
      }, request.timeoutMs);
      this.#pending.set(id, {
        fail: request.fail,
        refused: (error) =>
          this.#callError({ ...request, kind: error.kind, message: error.message, nextStep: error.nextStep }),
        settle: (reply) => {
          clearTimeout(timer);
          if ('error' in reply) reject(reply.error);
          else resolve(reply.result);
        },
      });
      this.#options.channel.stdin.write(`${JSON.stringify({ id, call: request.name, params: request.params })}\n`);
    });
  }

  #callError(about: {
    name: AgentCall;
    params: unknown;
    kind: AgentErrorKind;
    message: string;
    nextStep?: string | undefined;
  }): AgentError {
    const lost = about.kind === 'timeout' || about.kind === 'connectionLost' || about.kind === 'badAnswer';
    const subject = (about.params as { nodeId?: string }).nodeId ?? '';
    return new AgentError({
      kind: about.kind,
      host: this.#options.host,
      command: `synod-node agent: ${about.name} ${subject}`.trimEnd(),
      message: `${this.#options.host}: ${about.message}`,
      nextStep: about.nextStep ?? nextStepFor(about.kind),
      outcomeUnknown: lost && changing.has(about.name),
    });
  }

  /** Ends the link and the agent. */
  close(): void {
    this.#end('connectionLost', 'the console closed the channel');
  }

  #end(kind: AgentErrorKind, message: string, cause?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#watchdog);
    const said = this.#stderr.trim();
    const reason = new AgentError(
      {
        kind,
        host: this.#options.host,
        command: 'synod-node agent',
        message: `${this.#options.host}: ${message}${said ? `; it said: ${said}` : ''}`,
        nextStep: nextStepFor(kind),
        outcomeUnknown: false,
      },
      { cause },
    );
    for (const pending of this.#pending.values()) pending.settle({ error: pending.fail('connectionLost', message) });
    this.#pending.clear();
    this.#greeting.reject(reason);
    this.#options.channel.stdin.end();
    this.#options.channel.stdout.destroy();
    this.#options.channel.close?.();
    this.#ending.resolve(reason);
  }
}

function nextStepFor(kind: AgentErrorKind): string {
  switch (kind) {
    case 'notConnected':
    case 'connectionLost':
    case 'silent':
      return 'Synod connects again by itself; look at how the host is reachable, then run it again.';
    case 'timeout':
      return 'Look at what the node says now, then run it again.';
    case 'wrongVersion':
      return 'Provision the cluster again with this console: it puts its own release on the host.';
    case 'badAnswer':
      return 'Provision the cluster again, so that the release on the host is the one of this console.';
    default:
      return 'Look at the log of the node, then run it again.';
  }
}
