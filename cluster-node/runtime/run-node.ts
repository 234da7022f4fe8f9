/** `synod-node run`: the process around a node. It ends by SIGTERM, or because going on would not be safe. */
import { AdminSocketError } from '../api/admin.ts';
import { type NodeExitCode, nodeExitCodes } from '../contract/exit-codes.ts';
import { startNode } from '../start-node.ts';
import { noteDiskFailure } from '../storage/disk-failures.ts';
import { DataDamagedError, DataLockedError, DataMismatchError, isNoSpace } from '../storage/errors.ts';
import { ListenError } from '../net/listen.ts';
import { createLogger } from './logger.ts';
import { ConfigError, type LoadedConfig, loadConfig } from './load-config.ts';
import { serviceManagerOf } from './service-manager.ts';
import { VERSION } from './version.ts';

/** Resolves with the exit code when the node was asked to stop. Where it cannot go on, it ends the process itself. */
export async function runNode(configPath: string): Promise<number> {
  process.umask(0o077);
  const logger = createLogger();
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig(configPath);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    logger.fatal(error.message);
    return nodeExitCodes.badConfig;
  }
  const { config, self } = loaded;
  const nodeLogger = logger.child({ nodeId: config.nodeId, node: self.name });
  const end = (code: NodeExitCode, error: unknown, message: string): never => {
    nodeLogger.fatal({ err: error, exitCode: code }, message);
    process.exit(code);
  };
  process.on('uncaughtException', (error) => end(nodeExitCodes.crashed, error, 'a bug: the node stops to be safe'));
  const stopAsked = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal));
  });
  process.on('SIGHUP', () => undefined);
  nodeLogger.info({ version: VERSION, pid: process.pid, cluster: config.clusterName }, 'starting');
  const serviceManager = serviceManagerOf(process.env, nodeLogger);
  let doing = 'it starts';
  serviceManager.starting(() => doing);
  const surroundings = {
    logger: nodeLogger,
    onProgress: (text: string) => {
      doing = text;
    },
    onTicked: () => serviceManager.alive(performance.now()),
    onDiskFailed: (error: unknown) => endForDisk(loaded.dataDir, error, end),
    onStateDiverged: (reason: string) =>
      end(nodeExitCodes.stateDiverged, null, `${reason}; starting again builds it anew`),
    onEntryDamaged: (error: Error) =>
      end(nodeExitCodes.entryDamaged, error, `${error.message}; starting again repairs it from the peers`),
  };
  const starting = startNode(loaded, surroundings).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EIO') return endForDisk(loaded.dataDir, error, end);
    const hint = isNoSpace(error) ? `; free some space for ${loaded.dataDir} and start the node again` : '';
    return end(exitCodeOf(error), error, `the node cannot start: ${(error as Error).message}${hint}`);
  });
  // What a start leaves behind half done is what a crash would leave: the next one copes with it.
  const node = await Promise.race([starting, stopAsked.then(() => null)]);
  if (node !== null) serviceManager.ready();
  const signal = await stopAsked;
  serviceManager.stopping();
  if (node === null) {
    nodeLogger.info({ signal }, 'stopped before it had started');
    return nodeExitCodes.stopped;
  }
  nodeLogger.info({ signal }, 'stopping');
  try {
    await node.stop();
  } catch (error) {
    return end(nodeExitCodes.crashed, error, `the node did not stop cleanly: ${(error as Error).message}`);
  }
  nodeLogger.info('stopped');
  return nodeExitCodes.stopped;
}

/** What is on disk is unknown now: the log is to be read and checked afresh, but only once. */
function endForDisk(
  dataDir: string,
  error: unknown,
  end: (code: NodeExitCode, error: unknown, text: string) => never,
): never {
  if (isNoSpace(error))
    return end(nodeExitCodes.diskFull, error, `no space left in ${dataDir}; free some and start the node again`);
  const what = `reading or writing the log in ${dataDir} failed`;
  if (!noteDiskFailure(dataDir, Date.now()))
    return end(nodeExitCodes.diskFailed, error, `${what}; what is on disk is unknown until the node has read it again`);
  return end(
    nodeExitCodes.diskStoodDown,
    error,
    `${what}, not for the first time: the node stands down because its disk cannot be trusted. Look at the disk (dmesg, ` +
      'smartctl) and start the node again by hand, or replace it.',
  );
}

function exitCodeOf(error: unknown): NodeExitCode {
  if (error instanceof AdminSocketError) return nodeExitCodes.badConfig;
  if (error instanceof ListenError) return nodeExitCodes.portUnavailable;
  if (error instanceof DataLockedError) return nodeExitCodes.dataLocked;
  if (error instanceof DataDamagedError || error instanceof DataMismatchError) return nodeExitCodes.dataRefused;
  return isNoSpace(error) ? nodeExitCodes.diskFull : nodeExitCodes.crashed;
}
