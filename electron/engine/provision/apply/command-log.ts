/** What was run on hosts in one operation, for the audit: never what went through standard input. */
import { z } from 'zod';
import type { ExecOptions } from '../../ssh/command-run.ts';
import type { Executor } from '../../ssh/elevation.ts';
import type { ShellCommand } from '../../ssh/shell-command.ts';
import { SshError } from '../../ssh/ssh-error.ts';

export const loggedCommandSchema = z.object({
  host: z.string(),
  /** In words where the command itself is a script: what it was to do. */
  command: z.string(),
  /** null: its end was not seen. */
  exitCode: z.number().int().nullable(),
  startedAtUnixMs: z.number(),
  tookMs: z.number(),
});
export type LoggedCommand = z.infer<typeof loggedCommandSchema>;

export class CommandLog {
  readonly commands: LoggedCommand[] = [];
  readonly #clock: () => number;
  readonly #onChange: () => void;

  constructor(options: { clock: () => number; onChange: () => void }) {
    this.#clock = options.clock;
    this.#onChange = options.onChange;
  }

  /** The executor, with each command that it runs written down as `what`. */
  watch(executor: Executor, host: string, what: string): Executor {
    return {
      label: executor.label,
      exec: (command: ShellCommand, options?: ExecOptions) =>
        this.record(host, what, () => executor.exec(command, options)),
    };
  }

  /** Writes down one thing that is done on a host. */
  async record<T>(host: string, command: string, work: () => Promise<T>): Promise<T> {
    const startedAtUnixMs = this.#clock();
    let exitCode: number | null = null;
    try {
      const result = await work();
      exitCode = exitCodeIn(result);
      return result;
    } catch (error) {
      exitCode = error instanceof SshError ? error.exitCode : null;
      throw error;
    } finally {
      this.commands.push({ host, command, exitCode, startedAtUnixMs, tookMs: this.#clock() - startedAtUnixMs });
      this.#onChange();
    }
  }
}

function exitCodeIn(result: unknown): number {
  const code = (result as { exitCode?: unknown } | null)?.exitCode;
  return typeof code === 'number' ? code : 0;
}
