/** The engine's utility process as the shell sees it: started once, started again when it dies, one port a window load. */
import { join } from 'node:path';
import { type BrowserWindow, dialog, MessageChannelMain, type UtilityProcess, utilityProcess } from 'electron';
import { SecretFile } from './secret-file.ts';
import { type ToEngine, type ToShell, toShellSchema } from './shell-messages.ts';

/** An engine that dies more often than this within a minute is not started again. */
const MAX_DEATHS_A_MINUTE = 3;

export class EngineProcess {
  readonly #options: { script: string; stateDir: string; distDir: string };
  readonly #secrets: SecretFile;
  readonly #deathsAtMs: number[] = [];
  #process: UtilityProcess;
  #window: BrowserWindow | null = null;
  #stopping = false;

  constructor(options: { script: string; stateDir: string; distDir: string }) {
    this.#options = options;
    this.#secrets = new SecretFile(join(options.stateDir, 'secrets.json'));
    this.#process = this.#start();
  }

  /** Gives the window a fresh port to the engine. */
  connect(window: BrowserWindow): void {
    this.#window = window;
    const { port1, port2 } = new MessageChannelMain();
    this.#process.postMessage({ kind: 'connect' } satisfies ToEngine, [port1]);
    window.webContents.postMessage('synod:port', null, [port2]);
  }

  stop(): void {
    this.#stopping = true;
    this.#process.postMessage({ kind: 'stop' } satisfies ToEngine);
  }

  #start(): UtilityProcess {
    const { script, stateDir, distDir } = this.#options;
    const child = utilityProcess.fork(script, [stateDir, distDir], { serviceName: 'Synod engine', stdio: 'inherit' });
    child.on('message', (raw: unknown) => this.#answer(toShellSchema.parse(raw)));
    child.on('exit', (code) => this.#onExit(code));
    return child;
  }

  #onExit(code: number): void {
    if (this.#stopping) return;
    const nowMs = Date.now();
    this.#deathsAtMs.push(nowMs);
    if (this.#deathsAtMs.filter((atMs) => nowMs - atMs < 60_000).length > MAX_DEATHS_A_MINUTE) {
      dialog.showErrorBox(
        'The engine keeps ending',
        `Last exit code: ${code}. The clusters run on without the console.`,
      );
      return;
    }
    this.#process = this.#start();
    if (this.#window !== null && !this.#window.isDestroyed()) this.connect(this.#window);
  }

  #answer(message: ToShell): void {
    if (message.kind === 'failed') {
      dialog.showErrorBox('The engine could not start', message.message);
      return;
    }
    this.#process.postMessage(this.#serveSecret(message));
  }

  #serveSecret(message: Exclude<ToShell, { kind: 'failed' }>): ToEngine {
    try {
      if (message.kind === 'secretSet') this.#secrets.set(message.hostId, message.secret);
      if (message.kind === 'secretDelete') this.#secrets.delete(message.hostId);
      const secret = message.kind === 'secretGet' ? this.#secrets.get(message.hostId) : null;
      return { kind: 'secretReply', id: message.id, secret };
    } catch (error) {
      return { kind: 'secretFailed', id: message.id, message: (error as Error).message };
    }
  }
}
