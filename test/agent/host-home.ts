/** A home folder as provisioning leaves it, and an agent on it as the engine speaks to it: real processes, one test each. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type AgentCall,
  type AgentMessage,
  type AgentParams,
  type AgentResult,
  agentCalls,
  agentMessageSchema,
} from '../../cluster-node/contract/agent.ts';
import type { CallError } from '../../cluster-node/contract/admin.ts';
import { hostLayout, nodeLayout } from '../../cluster-node/contract/host-layout.ts';
import { type ProcessIdentity, processIdentitySchema } from '../../cluster-node/supervisor/process-identity.ts';
import { until } from '../fixtures/until.ts';

export const standInRelease = fileURLToPath(new URL('../fixtures/stand-in-node.ts', import.meta.url));

export class HostHome {
  readonly path = mkdtempSync(join(tmpdir(), 'synod-agent-'));
  readonly #agents: AgentClient[] = [];

  nodeDir(nodeId: string): string {
    return join(this.path, hostLayout.nodeDir(nodeId));
  }

  /** Puts a node's folder down: configuration and launch file; `behaviour` is the stand-in's. */
  addNode(nodeId: string, behaviour = ''): string {
    const nodeDir = this.nodeDir(nodeId);
    mkdirSync(join(nodeDir, nodeLayout.dataDir), { recursive: true });
    const member = { memberSlot: 1, nodeId, name: 'node-1', address: '127.0.0.1', peerPort: 1, clientPort: 2 };
    const config = {
      formatVersion: 1,
      clusterId: 'c-aaaaaaaa',
      clusterName: 'test',
      nodeId,
      members: [member],
      dataDir: 'data',
      adminSocket: nodeLayout.adminSocket,
      tls: { ca: 'tls/ca.pem', peerCert: 'tls/peer.pem', peerKey: 'tls/peer.key', client: null },
      heartbeatMs: 50,
      electionTimeoutMs: 300,
    };
    writeFileSync(join(nodeDir, nodeLayout.config), JSON.stringify(config));
    writeFileSync(
      join(nodeDir, nodeLayout.launch),
      JSON.stringify({ runtime: process.execPath, release: standInRelease }),
    );
    this.behave(nodeId, behaviour);
    return nodeDir;
  }

  behave(nodeId: string, behaviour: string): void {
    writeFileSync(join(this.nodeDir(nodeId), 'behaviour'), behaviour);
  }

  /** An agent on this home, with its hello already received. */
  async agent(release = standInRelease): Promise<AgentClient> {
    const agent = new AgentClient(this.path, release);
    this.#agents.push(agent);
    await until('the hello', () => agent.messages.find(({ kind }) => kind === 'hello'));
    return agent;
  }

  /** What the run folder says about one of the node's two processes. */
  recorded(nodeId: string, which: 'supervisor' | 'node'): ProcessIdentity {
    const path = join(this.nodeDir(nodeId), which === 'node' ? nodeLayout.nodePid : nodeLayout.supervisorPid);
    return processIdentitySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  }

  /** Pids of live processes with this home on their command line, only those of one kind if asked. */
  processes(command: 'run' | 'supervise' | '' = ''): number[] {
    return readdirSync('/proc').flatMap((entry) => {
      if (!/^\d+$/.test(entry)) return [];
      try {
        const commandLine = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
        return commandLine.includes(`${this.path}/`) && commandLine.includes(`\0${command}`) ? [Number(entry)] : [];
      } catch {
        return [];
      }
    });
  }

  /** Ends every process of this home and removes it. */
  async clear(): Promise<void> {
    for (const agent of this.#agents) agent.end();
    // A supervisor killed after its node would start another: supervisors first.
    for (const command of ['supervise', ''] as const) {
      for (const pid of this.processes(command)) process.kill(pid, 'SIGKILL');
    }
    await until('the end of all processes', () => this.processes().length === 0);
    rmSync(this.path, { recursive: true, force: true });
  }
}

export class AgentClient {
  readonly messages: AgentMessage[] = [];
  readonly process: ChildProcessWithoutNullStreams;
  readonly exited: Promise<number | null>;
  stderr = '';
  #nextId = 1;

  constructor(home: string, release: string) {
    this.process = spawn(process.execPath, [release, 'agent', '--interval-ms', '100'], {
      env: { ...process.env, HOME: home, SYNOD_LAB_ROOT: home, SOME_PASSWORD: 'hunter2' },
    });
    this.exited = once(this.process, 'exit').then(([code]) => code as number | null);
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
