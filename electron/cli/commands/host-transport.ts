/** `synod host transport`, and the option of the same meaning. */
import { Argument, type Command, Option } from 'commander';
import type { HostView } from '../../contract/model.ts';
import { CommandFailure, type GlobalOptions, printResult, withEngine } from '../context.ts';
import { findHost } from '../find.ts';
import { resolveStateDir } from '../state-dir.ts';

const TRANSPORTS: readonly HostView['transport'][] = ['builtin', 'openssh'];
const MEANING = "Synod's own SSH, or the system's ssh (certificates, hardware keys)";

export function transportOption(): Option {
  return new Option('--transport <transport>', `${MEANING}; default: builtin`).choices(TRANSPORTS);
}

export function addHostTransportCommand(host: Command, program: Command): void {
  host
    .command('transport')
    .argument('<name>')
    .addArgument(new Argument('<transport>', MEANING).choices(TRANSPORTS))
    .description('reach a host with another SSH from now on, and connect with it')
    .action(async (name: string, transport: HostView['transport']) => {
      const options = program.opts<GlobalOptions>();
      await withEngine(resolveStateDir(options.state), async (client) => {
        const { hostId } = findHost(await client.fleet.get(), name);
        const view = await client.hosts.setTransport({ hostId, transport });
        const { failure, state } = view.reachability;
        if (failure !== null) throw new CommandFailure(failure);
        printResult(options, { ok: true, host: view }, () => `${name}: ${state} with ${transport}.`);
      });
    });
}
