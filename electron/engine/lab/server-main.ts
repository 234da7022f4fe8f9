/**
 * The one process that serves all of a lab's hosts: `node server-main.ts <root>`. It reads the lab's state, listens for every
 * host, reports where over IPC and in `server.json`, and runs until SIGTERM. Detached, so that the hosts, like real ones, do not
 * depend on the console.
 */
import { readFile } from 'node:fs/promises';
import { startEmbeddedHost } from './embedded-host.ts';
import {
  LAB_HOST_VARIABLE,
  LAB_ROOT_VARIABLE,
  type LabHost,
  type LabState,
  labLayout,
  readLabState,
  writeJson,
} from './lab-state.ts';
import { portCandidates } from './ports.ts';
import { identify } from './process-identity.ts';
import type { ListeningReport, ServerReport } from './server-report.ts';

async function serve(root: string): Promise<ListeningReport> {
  const state = await readLabState(root);
  const identity = await identify(process.pid);
  if (state === null || identity === null) throw new Error(`${root} has no lab to serve`);
  const hosts = await Promise.all(state.hosts.map(async (host) => await serveHost(state, host)));
  const report: ListeningReport = { kind: 'listening', identity, hosts };
  await writeJson(labLayout(root).server, report);
  return report;
}

async function serveHost(state: LabState, host: LabHost): Promise<ListeningReport['hosts'][number]> {
  const layout = labLayout(state.root);
  const { sshPort } = await startEmbeddedHost({
    address: host.address,
    ports: portCandidates(host.sshPort),
    hostKey: await readFile(layout.hostKey(host.name), 'utf8'),
    user: state.user,
    clientPublicKey: await readFile(`${layout.clientKey}.pub`, 'utf8'),
    place: { home: host.home, environment: environmentOf(state, host) },
  });
  return { name: host.name, address: host.address, sshPort };
}

/** Small and clean: nothing of the console's own environment but where programs are. */
function environmentOf(state: LabState, host: LabHost): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: host.home,
    USER: state.user,
    LOGNAME: state.user,
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    [LAB_ROOT_VARIABLE]: state.root,
    [LAB_HOST_VARIABLE]: host.name,
  };
}

function report(message: ServerReport): void {
  if (process.send === undefined) return;
  // Whoever started the lab may be gone already; the lab stays.
  process.on('error', () => {});
  process.send(message, () => process.connected && process.disconnect());
}

process.on('SIGTERM', () => process.exit(0));
process.on('SIGHUP', () => {});
try {
  report(await serve(process.argv[2] ?? ''));
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
  report({ kind: 'failed', problem: (error as Error).message });
}
