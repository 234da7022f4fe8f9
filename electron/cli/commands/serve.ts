import type { Command } from 'commander';
import { join } from 'node:path';
import type { Engine } from '../../engine/engine.ts';
import { type ConsoleServer, serveConsole } from '../../serve/serve.ts';
import { openEngineSocket } from '../../serve/engine-socket.ts';
import { distDir, type GlobalOptions, note, openEngine, printResult } from '../context.ts';
import { openAppWindow, startElectron } from '../open-window.ts';
import { resolveStateDir } from '../state-dir.ts';
import { wholeNumber } from './lab.ts';

/** An engine with its two doors open: the console's web server and the command line's socket. */
export interface RunningConsole {
  readonly engine: Engine;
  readonly server: ConsoleServer;
  close(): Promise<void>;
}

export async function runConsole(stateDir: string, port: number): Promise<RunningConsole> {
  const engine = await openEngine(stateDir);
  const socket = await openEngineSocket(engine, stateDir);
  const server = await serveConsole({ engine, appDir: join(distDir, 'app'), port });
  return {
    engine,
    server,
    close: async () => {
      await server.close();
      await socket.close();
      await engine.close();
    },
  };
}

/** Resolves with the first signal that asks this process to end. */
export function interrupted(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
}

/** `synod serve` (an address) and `synod start` (a window). */
export function addServeCommands(program: Command): void {
  program
    .command('serve')
    .description('run the engine and print the address of the console (loopback, one-time token)')
    .option('--port <port>', 'port on 127.0.0.1; 0: any free one', wholeNumber(0, 65535), 0)
    .action(async (given: { port: number }) => {
      const options = program.opts<GlobalOptions>();
      const console = await runConsole(resolveStateDir(options.state), given.port);
      const url = console.server.newUrl();
      printResult(options, { ok: true, url }, () => url);
      note('Open this address in a browser; it is good for one opening. Ctrl-C ends the console, not the clusters.');
      await interrupted();
      await console.close();
    });

  program
    .command('start')
    .description('open the console on your fleet')
    .action(async () => {
      const options = program.opts<GlobalOptions>();
      const stateDir = resolveStateDir(options.state);
      const electron = await startElectron(stateDir, distDir);
      if (electron !== null) {
        process.exitCode = await electron.exited;
        return;
      }
      const console = await runConsole(stateDir, 0);
      await showConsole(console.server);
      await console.close();
    });
}

/** Opens an app window and waits until it is closed; without a browser, prints the address and waits for Ctrl-C. */
async function showConsole(server: ConsoleServer): Promise<void> {
  const window = await openAppWindow(server.newUrl());
  if (window.opened) {
    note('The console is open. Closing its window, or Ctrl-C, ends it; the clusters go on.');
    await Promise.race([window.closed, interrupted()]);
    window.close();
    return;
  }
  note(
    `${window.reason} Open this address in a browser; it is good for one opening. Ctrl-C ends the console, not the clusters.`,
  );
  process.stdout.write(`${server.newUrl()}\n`);
  await interrupted();
}
