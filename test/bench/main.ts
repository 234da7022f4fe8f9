/**
 * `npm run bench -- SUITE [--json] [...]`: timings, kept apart from the tests because they depend on the machine.
 *
 *   demo   the whole main job, `--runs N` times: provisioning, unavailability after failover, kill and partition
 *   node   three nodes beside three of etcd: options in node/suite.ts
 *   hosts  provisioning on five hosts of the lab, and plans over a hundred: options in hosts/suite.ts
 */
import { benchDemo } from './demo.ts';
import { benchHosts } from './hosts/suite.ts';
import { benchNode } from './node/suite.ts';

const suites: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  demo: benchDemo,
  node: benchNode,
  hosts: benchHosts,
};

const [name = '', ...args] = process.argv.slice(2);
const suite = Object.hasOwn(suites, name) ? suites[name] : undefined;
if (suite) await suite(args);
else {
  process.stderr.write(
    'Say which suite: npm run bench -- demo [--runs N] [--json], npm run bench -- node [--only puts,reads] [--json], or npm run bench -- hosts [--json]\n',
  );
  process.exitCode = 2;
}
