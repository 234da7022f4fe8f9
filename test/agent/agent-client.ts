/** An agent as the engine speaks to it. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import type { CallError } from '../../cluster-node/contract/admin.ts';
import {
  type AgentCall,
  type AgentMessage,
  type AgentParams,
  type AgentResult,
  agentCalls,
  agentMessageSchema,
} from '../../cluster-node/contract/agent.ts';
import { until } from '../fixtures/until.ts';

export class AgentClient {
  readonly messages: AgentMessage[] = [];
  readonly process: ChildProcessWithoutNullStreams;
  readonly exited: Promise<number | null>;
  stderr = '';
  #nextId = 1;

  /** `process` is the agent, or what leads to it. */
  constructor(process: ChildProcessWithoutNullStreams) {
    this.process = process;
    this.exited = once(process, 'exit').then(([code]) => code as number | null);
    this.process.stderr.on('data', (chunk) => {
      this.stderr += String(chunk);
    });
    this.process.stdin.on('error', () => {});
    let rest = '';
    this.process.stdout.on('data', (chunk) => {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.messages.push(agentMessageSchema.parse(JSON.parse(line)));
    });
  }

  sendLine(line: string): void {
    this.process.stdin.write(`${line}\n`);
  }

  async request(call: string, params: unknown) {
    const id = this.#nextId++;
    this.sendLine(JSON.stringify({ id, call, params }));
    const isReply = (message: AgentMessage) => message.kind === 'reply' && message.id === id;
    const reply = await until(`a reply to ${call}`, () => this.messages.find(isReply), 30_000);
    return reply as Extract<AgentMessage, { kind: 'reply' }>;
  }

  async call<C extends AgentCall>(call: C, params: AgentParams<C>): Promise<AgentResult<C>> {
    const reply = await this.request(call, params);
    if (!reply.ok) throw new Error(`${call}: ${reply.error.kind}: ${reply.error.message}`);
    return agentCalls[call].result.parse(reply.result) as AgentResult<C>;
  }

  /** The error of a call that must fail. */
  async refusal(call: string, params: unknown): Promise<CallError> {
    const reply = await this.request(call, params);
    if (reply.ok) throw new Error(`${call} succeeded: ${JSON.stringify(reply.result)}`);
    return reply.error;
  }

  /** The newest sample's part about a node. */
  latest(nodeId: string) {
    const sample = this.messages.findLast((message) => message.kind === 'sample')?.sample;
    return sample?.nodes.find(({ service }) => service.nodeId === nodeId);
  }

  end(): void {
    this.process.stdin.end();
  }
}
