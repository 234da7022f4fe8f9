/**
 * `synod-node`: everything that runs on a host, in one program. `run` is the node; `agent` serves one SSH session; `supervise`
 * keeps a node running where no service manager does; `inspect` reads a data folder; `version` says which release this is. Each command loads only its own
 * part: a host runs several of these processes.
 */
import { parseArgs } from 'node:util';
import { nodeExitCodes } from './contract/exit-codes.ts';
import { VERSION } from './runtime/version.ts';

const USAGE = `usage: synod-node run --config FILE
       synod-node agent [--place home|system]
       synod-node supervise --node-dir DIR
       synod-node inspect --data DIR [--json] [--records FROM..TO]
       synod-node version`;

async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv;
  switch (command) {
    case 'run':
      return run(rest);
    case 'agent':
      return (await import('./agent/agent.ts')).runAgent(rest);
    case 'supervise':
      return (await import('./supervisor/supervise.ts')).runSupervisor(rest);
    case 'inspect':
      return inspect(rest);
    case 'version':
    case '--version':
      process.stdout.write(`${VERSION}\n`);
      return nodeExitCodes.stopped;
    default:
      process.stderr.write(`${USAGE}\n`);
      return nodeExitCodes.badConfig;
  }
}

async function run(argv: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({ args: [...argv], options: { config: { type: 'string' } } });
    if (values.config !== undefined) return (await import('./runtime/run-node.ts')).runNode(values.config);
    process.stderr.write(`synod-node run: --config FILE is missing\n${USAGE}\n`);
  } catch (error) {
    process.stderr.write(`synod-node run: ${(error as Error).message}\n${USAGE}\n`);
  }
  return nodeExitCodes.badConfig;
}

async function inspect(argv: readonly string[]): Promise<number> {
  try {
    return await (await import('./inspect/command.ts')).runInspect(argv);
  } catch (error) {
    process.stderr.write(`synod-node inspect: ${(error as Error).message}\n${USAGE}\n`);
    return nodeExitCodes.badConfig;
  }
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`synod-node: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(nodeExitCodes.crashed);
  },
);
