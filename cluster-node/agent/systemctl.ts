/** The host's own tools for services, each call with an end: a service manager that hangs costs one answer, never the agent. */
import { execFile } from 'node:child_process';
import { CallFailedError, failCall } from '../supervisor/socket-call.ts';

const OUTPUT_BYTES_AT_MOST = 8 << 20;
const STDERR_CHARACTERS = 400;

export interface ToolCall {
  readonly tool: 'systemctl' | 'journalctl';
  /** Whose service manager: the host's or the login's. */
  readonly scope: 'system' | 'user';
  readonly arguments: readonly string[];
  readonly timeoutMs: number;
}

/**
 * Standard output of the tool. Throws CallFailedError: `timeout` when it has not ended in time (what it asked for may still be done), else
 * `failed` with what it said.
 */
export function runTool(call: ToolCall): Promise<string> {
  const words = call.scope === 'user' ? ['--user', ...call.arguments] : call.arguments;
  const command = [call.tool, ...words].join(' ');
  const options = {
    timeout: call.timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_AT_MOST,
    env: { ...process.env, LC_ALL: 'C.UTF-8', SYSTEMD_COLORS: '0', XDG_RUNTIME_DIR: runtimeDir() },
  } as const;
  return new Promise((resolve, reject) => {
    execFile(call.tool, words, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      reject(error.killed === true ? tooLate(command, call.timeoutMs) : toolFailure(command, error, stderr));
    });
  });
}

/** Where the login's service manager is found; sudo, su and some sessions do not say. */
function runtimeDir(): string {
  return process.env['XDG_RUNTIME_DIR'] || `/run/user/${process.getuid?.() ?? 0}`;
}

function tooLate(command: string, timeoutMs: number): CallFailedError {
  const message = `'${command}' did not end within ${timeoutMs / 1000} s`;
  return failCall('timeout', message, 'look at the service manager of the host: systemctl status');
}

function toolFailure(command: string, cause: Error & { code?: unknown }, stderr: string): CallFailedError {
  const said = stderr.trim().slice(0, STDERR_CHARACTERS);
  const why = typeof cause.code === 'number' ? `exit code ${cause.code}${said && `: ${said}`}` : cause.message;
  return new CallFailedError({ kind: 'failed', message: `'${command}' failed: ${why}` }, { cause });
}
