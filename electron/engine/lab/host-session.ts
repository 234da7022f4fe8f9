/** One SSH session on an embedded host: the process it runs, its streams in both directions, and its end. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { PseudoTtyInfo, ServerChannel, Session } from 'ssh2';

export interface HostPlace {
  home: string;
  /** The whole environment of what runs on the host. */
  environment: Record<string, string>;
}

const SFTP_SERVERS = ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server', '/usr/libexec/sftp-server'];
const SCRIPT = '/usr/bin/script';
/** What still runs in the session's process group this long after its hang-up is killed. */
const HANGUP_GRACE_MS = 1000;

/** Answers exec, shell and the sftp subsystem (by the system's own sftp-server, where there is one). */
export function serveSession(session: Session, place: HostPlace): void {
  const environment = { ...place.environment };
  let terminal: PseudoTtyInfo | null = null;
  let running: ChildProcessWithoutNullStreams | null = null;
  const start = (channel: ServerChannel, command: string): void => {
    const [program, ...args] = terminal === null ? ['/bin/sh', '-c', command] : terminalCommand(command, terminal);
    running = spawn(program as string, args, { cwd: place.home, env: environment, detached: true });
    attach(channel, running);
  };
  session.on('env', (accept, reject, { key, val }: { key: string; val?: string; value?: string }) => {
    const wanted = /^(LANG|LC_[A-Z]+)$/.test(key);
    if (wanted) environment[key] = val ?? '';
    (wanted ? accept : reject)?.();
  });
  session.on('pty', (accept, reject, info) => {
    if (!existsSync(SCRIPT)) return reject?.();
    terminal = info;
    environment['TERM'] = (info as { term?: string }).term ?? 'xterm';
    accept?.();
  });
  session.on('signal', (accept, _reject, { name }) => {
    if (running?.pid !== undefined) signalGroup(running.pid, `SIG${name}` as NodeJS.Signals);
    accept?.();
  });
  session.on('exec', (accept, _reject, { command }) => start(accept(), command));
  session.on('shell', (accept) => start(accept(), 'exec ${SHELL:-/bin/sh} -i'));
  session.on('subsystem', (accept, reject, { name }) => {
    const server = SFTP_SERVERS.find((path) => existsSync(path));
    if (name !== 'sftp' || server === undefined) return reject?.();
    start(accept(), `exec ${server}`);
  });
}

function terminalCommand(command: string, terminal: PseudoTtyInfo): string[] {
  const sized = `stty rows ${terminal.rows || 24} cols ${terminal.cols || 80}; ${command}`;
  return [SCRIPT, '-qefc', sized, '/dev/null'];
}

function attach(channel: ServerChannel, child: ChildProcessWithoutNullStreams): void {
  const group = child.pid;
  let open = true;
  let exit: { code: number | null; signal: NodeJS.Signals | null } | null = null;
  child.on('error', (error) => {
    channel.stderr.write(`cannot start: ${error.message}\n`);
    finish(channel, { code: 126, signal: null });
  });
  child.on('exit', (code, signal) => (exit = { code, signal }));
  // The process may end, or close its stdin, before it has read everything that was sent.
  child.stdin.on('error', () => {});
  channel.pipe(child.stdin);
  const turn = new WriteTurns(channel);
  const outputs = Promise.all([turn.copy(child.stdout, channel), turn.copy(child.stderr, channel.stderr)]);
  child.on('close', () => void outputs.then(() => finish(channel, exit ?? { code: 255, signal: null })));
  channel.on('close', () => {
    if (!open) return;
    open = false;
    turn.abandon();
    child.stdout.destroy();
    child.stderr.destroy();
    child.stdin.destroy();
    // A command that came to its end may just have started something that has not yet got as far as setsid: as with sshd, what
    // it leaves in the background stays.
    if (group !== undefined && exit === null) hangUp(group);
  });
}

function finish(channel: ServerChannel, exit: { code: number | null; signal: NodeJS.Signals | null }): void {
  if (exit.code !== null) channel.exit(exit.code);
  else channel.exit((exit.signal ?? 'SIGKILL').slice(3), false, '');
  channel.end();
}

/** A session that is cut off takes with it what did not detach itself with setsid. */
function hangUp(group: number): void {
  if (!signalGroup(group, 'SIGHUP')) return;
  setTimeout(() => signalGroup(group, 'SIGKILL'), HANGUP_GRACE_MS).unref();
}

/** False: nothing is left in the group. */
function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Lets stdout and stderr write in turn, each chunk to its end. ssh2 keeps one waiting chunk a stream and resumes only stdout's
 * when the window opens, and a chunk that it has resumed stays in place and would be sent again in stderr's stead: so only one
 * may ever wait, and what was sent is cleared.
 */
class WriteTurns {
  readonly #channel: ServerChannel & {
    _chunk?: unknown;
    _chunkcb?: unknown;
    _chunkErr?: unknown;
    _chunkcbErr?: unknown;
  };
  #last: Promise<void> = Promise.resolve();
  #abandoned = Promise.withResolvers<void>();
  #over = false;

  constructor(channel: ServerChannel) {
    this.#channel = channel;
  }

  /** Resolves at the end of `from`, or when the turns are abandoned. */
  async copy(from: Readable, to: Writable): Promise<void> {
    try {
      for await (const chunk of from) {
        if (this.#over) return;
        this.#last = this.#last.then(async () => await this.#write(to, chunk as Buffer));
        await this.#last;
      }
    } catch {
      // The stream was destroyed with its session.
    }
  }

  /** The channel is gone: nobody waits any longer for it to take something. */
  abandon(): void {
    this.#over = true;
    this.#abandoned.resolve();
  }

  async #write(to: Writable, chunk: Buffer): Promise<void> {
    if (this.#over) return;
    const written = new Promise<void>((resolve) => to.write(chunk, () => resolve()));
    await Promise.race([written, this.#abandoned.promise]);
    for (const waiting of ['_chunk', '_chunkcb', '_chunkErr', '_chunkcbErr'] as const)
      this.#channel[waiting] = undefined;
  }
}
