/** A home folder as provisioning leaves it, and agents on it: real processes, one test each. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostLayout, nodeLayout } from '../../cluster-node/contract/host-layout.ts';
import { type ProcessIdentity, processIdentitySchema } from '../../cluster-node/supervisor/process-identity.ts';
import { until } from '../fixtures/until.ts';
import { AgentClient } from './agent-client.ts';

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
    const agent = new AgentClient(
      spawn(process.execPath, [release, 'agent', '--interval-ms', '100'], {
        env: { ...process.env, HOME: this.path, SYNOD_LAB_ROOT: this.path, SOME_PASSWORD: 'hunter2' },
      }),
    );
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
