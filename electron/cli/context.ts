/**
 * What every command shares: its options, its engine, its output. Results go to stdout (JSON with `--json`), everything else
 * to stderr. Exit codes: 0 done, 1 failed, 2 wrong use; `cluster plan` and `cluster apply` have their own.
 */
import { fileURLToPath } from 'node:url';
import { ORPCError } from '@orpc/client';
import { createRouterClient } from '@orpc/server';
import { type Failure, failureSchema } from '../contract/model.ts';
import { createEngine, type Engine } from '../engine/engine.ts';
import { keyringOrMemory } from '../engine/keyring.ts';
import { failureOf } from '../engine/operations/failure.ts';
import { connectToEngine, type EngineClient } from '../serve/engine-socket.ts';
import { engineLog } from './log.ts';
import { loadResources } from './resources.ts';
import { answerPrompts } from './terminal.ts';

export interface GlobalOptions {
  readonly state?: string;
  readonly json?: boolean;
}

/** The build's folder: this file is bundled into dist/cli/. */
export const distDir = fileURLToPath(new URL('..', import.meta.url));

/** Exit codes of `cluster plan` and `cluster apply`, which use 2 for something else than wrong use. */
export const planExitCodes = { nothingToDo: 0, pending: 2, refused: 3, wrongUse: 64 } as const;

/** The command was used wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something was asked for and failed: exit code 1. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** An engine of our own on this state folder. */
export async function openEngine(stateDir: string): Promise<Engine> {
  const secrets = await keyringOrMemory();
  return createEngine({ stateDir, resources: loadResources(distDir), log: engineLog(), secrets });
}

export function localClient(engine: Engine): EngineClient {
  return createRouterClient(engine.router, { context: {} });
}

/** While the command runs, the person at the terminal is asked what a login needs. */
async function answering<T>(client: EngineClient, work: (client: EngineClient) => Promise<T>): Promise<T> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return await work(client);
  const prompts = new AbortController();
  const answered = answerPrompts(client, prompts.signal).catch(() => {});
  try {
    return await work(client);
  } finally {
    prompts.abort();
    await answered;
  }
}

/** Runs `work` with the engine that owns the state folder, or with one of our own for this one command. */
export async function withEngine<T>(stateDir: string, work: (client: EngineClient) => Promise<T>): Promise<T> {
  const running = await connectToEngine(stateDir);
  if (running !== null) {
    try {
      return await answering(running.client, work);
    } finally {
      running.close();
    }
  }
  const engine = await openEngine(stateDir);
  try {
    return await answering(localClient(engine), work);
  } finally {
    await engine.close();
  }
}

export function printResult(options: GlobalOptions, result: unknown, text: () => string): void {
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${text()}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The failure inside whatever was thrown: by the contract, by the engine, by ourselves. */
export function failureIn(error: unknown): Failure {
  if (error instanceof CommandFailure) return error.failure;
  if (error instanceof ORPCError) {
    const parsed = failureSchema.safeParse(error.data);
    if (parsed.success) return parsed.data;
  }
  return failureOf(error);
}

export function describeFailure(failure: Failure): string {
  const lines = [failure.message];
  if (failure.host !== null) lines.push(`  host:      ${failure.host}`);
  if (failure.step !== null) lines.push(`  step:      ${failure.step}`);
  if (failure.command !== null) lines.push(`  command:   ${failure.command}`);
  if (failure.exitCode !== null) lines.push(`  exit code: ${failure.exitCode}`);
  if (failure.stderr !== null) lines.push(`  stderr:    ${failure.stderr.trim().replaceAll('\n', '\n             ')}`);
  lines.push(`  next:      ${failure.nextStep}`);
  return lines.join('\n');
}
