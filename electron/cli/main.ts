/**
 * The `synod` command: the command-line twin of the console on the same engine and the same contract. Each file of
 * `commands/` adds one word to it.
 */
import { Command, CommanderError } from 'commander';
import { addClusterCommands } from './commands/cluster.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addFailoverCommand } from './commands/failover.ts';
import { addFaultCommands } from './commands/fault.ts';
import { addHostCommands } from './commands/host.ts';
import { addLabCommands } from './commands/lab.ts';
import { addNodeCommands } from './commands/node.ts';
import { addServeCommands } from './commands/serve.ts';
import { describeFailure, failureIn, type GlobalOptions, note, planExitCodes, UsageError } from './context.ts';

/** Put in by the build, from package.json. */
declare const __SYNOD_VERSION__: string;

const program = new Command('synod')
  .description('Provision, operate, break and explain real Paxos clusters over SSH')
  .version(__SYNOD_VERSION__)
  .option('--state <dir>', 'state folder (default: SYNOD_STATE, else the place of this system for state)')
  .option('--json', 'one JSON object on stdout')
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) });

addDemoCommand(program);
addServeCommands(program);
addLabCommands(program);
addHostCommands(program);
addClusterCommands(program);
addNodeCommands(program);
addFailoverCommand(program);
addFaultCommands(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  const isPlan = /\bcluster (plan|apply)\b/.test(process.argv.slice(2).join(' '));
  const wrongUse = isPlan ? planExitCodes.wrongUse : 2;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : wrongUse;
  const { json } = program.opts<GlobalOptions>();
  if (error instanceof UsageError) {
    if (json)
      process.stdout.write(`${JSON.stringify({ ok: false, error: { kind: 'usage', message: error.message } })}\n`);
    note(`synod: ${error.message}`);
    return wrongUse;
  }
  const failure = failureIn(error);
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, error: failure })}\n`);
  note(`synod: ${describeFailure(failure)}`);
  return isPlan && failure.kind === 'planRefused' ? planExitCodes.refused : 1;
}
