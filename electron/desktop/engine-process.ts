/** The engine in Electron's utility process: the same engine as everywhere, reached by a MessagePort a window load. */
import { RPCHandler } from '@orpc/server/message-port';
import type { MessagePortMain } from 'electron';
import { createEngine } from '../engine/engine.ts';
import type { SecretStore } from '../engine/secrets.ts';
import { openEngineSocket } from '../serve/engine-socket.ts';
import { engineLog } from '../cli/log.ts';
import { loadResources } from '../cli/resources.ts';
import { type ToEngine, type ToShell, toEngineSchema } from './shell-messages.ts';

const [stateDir = '', distDir = ''] = process.argv.slice(2);
const shell = process.parentPort;
const tell = (message: ToShell) => shell.postMessage(message);

/** Secrets by way of the shell, which alone can reach the operating system's encryption. */
function shellSecrets(): SecretStore & { settle: (message: ToEngine) => void } {
  const waiting = new Map<number, { resolve: (secret: string | null) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  const ask = (
    message:
      | { kind: 'secretGet' | 'secretDelete'; hostId: string }
      | { kind: 'secretSet'; hostId: string; secret: string },
  ) =>
    new Promise<string | null>((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      tell({ ...message, id: lastId });
    });
  return {
    persistent: true,
    get: (hostId) => ask({ kind: 'secretGet', hostId }),
    set: async (hostId, secret) => void (await ask({ kind: 'secretSet', hostId, secret })),
    delete: async (hostId) => void (await ask({ kind: 'secretDelete', hostId })),
    settle: (message) => {
      if (message.kind !== 'secretReply' && message.kind !== 'secretFailed') return;
      const asked = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.kind === 'secretReply') asked?.resolve(message.secret);
      else asked?.reject(new Error(message.message));
    },
  };
}

async function main(): Promise<void> {
  const secrets = shellSecrets();
  const engine = await createEngine({ stateDir, resources: loadResources(distDir), log: engineLog(), secrets });
  const socket = await openEngineSocket(engine, stateDir);
  const rpc = new RPCHandler(engine.router);
  const onMessage = async (event: { data: unknown; ports: MessagePortMain[] }) => {
    const message = toEngineSchema.parse(event.data);
    secrets.settle(message);
    const port = event.ports[0];
    if (message.kind === 'connect' && port !== undefined) {
      rpc.upgrade(port, { context: {} });
      port.start();
    }
    if (message.kind === 'stop') {
      await socket.close();
      await engine.close();
      process.exit(0);
    }
  };
  for (const event of early.splice(0)) await onMessage(event);
  shell.off('message', keepEarly);
  shell.on('message', (event) => void onMessage(event));
}

/** The window may be ready before the engine is: what comes early is kept. */
const early: { data: unknown; ports: MessagePortMain[] }[] = [];
const keepEarly = (event: { data: unknown; ports: MessagePortMain[] }) => void early.push(event);
shell.on('message', keepEarly);

main().catch((error: Error) => {
  tell({ kind: 'failed', message: error.message });
  process.exit(1);
});
