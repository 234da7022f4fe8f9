/** Which program a node's folder says is to be started, and with which words. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { nodeLayout } from '../contract/host-layout.ts';
import { failCall } from './socket-call.ts';

const launchSchema = z.object({ runtime: z.string().startsWith('/'), release: z.string().startsWith('/') });
export type Launch = z.infer<typeof launchSchema>;

/** Read anew at each start, so that an upgrade is a changed file and a restart. Throws CallFailedError with the cause. */
export function readLaunch(nodeDir: string): Launch {
  const path = join(nodeDir, nodeLayout.launch);
  try {
    return launchSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw failCall('failed', `${path} does not say what to start: ${why}`, 'provision the node again');
  }
}

/** What follows the runtime and the release on the command line of the node of this folder. */
export function nodeArguments(nodeDir: string): string[] {
  return ['run', '--config', join(nodeDir, nodeLayout.config)];
}

export function supervisorArguments(nodeDir: string): string[] {
  return ['supervise', '--node-dir', nodeDir];
}

/** Names of variables that may hold a secret or that belong to the SSH session, which ends before the node does. */
const notInherited = /PASSWORD|PASSPHRASE|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE_KEY|API_KEY|^SSH_/i;

/** The environment for what outlives a session: everything but secrets and the session's own. */
export function inheritedEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !notInherited.test(name)));
}

export interface LaunchOptions {
  readonly nodeDir: string;
  readonly arguments: readonly string[];
  /** File descriptor for standard output and error; 'ignore' when there is no log to write to. */
  readonly output: number | 'ignore';
  /** In a session of its own, so that it outlives whoever starts it. */
  readonly detached: boolean;
}

/** Starts the release of this folder with these arguments. A program that cannot be started emits 'error' on the child. */
export function launchRelease(launch: Launch, options: LaunchOptions): ChildProcess {
  return spawn(launch.runtime, [launch.release, ...options.arguments], {
    cwd: options.nodeDir,
    env: inheritedEnvironment(process.env),
    stdio: ['ignore', options.output, options.output],
    detached: options.detached,
  });
}
