/** The hosts that the operator's SSH configuration names: what there is to import. */
import { Evaluation } from './evaluate.ts';
import type { ConfigWorld } from './world.ts';

/** Names of Host lines that stand for one host, in file order, without patterns; those of included files, too. Throws ConfigError. */
export async function configuredAliases(world: ConfigWorld): Promise<string[]> {
  const names = new Set<string>();
  const userFiles = world.files.filter((file) => file.kind === 'user');
  const evaluation = new Evaluation(
    {
      host: '',
      settings: new Map(),
      finalHost: null,
      onHostNames: (given) => given.forEach((name) => names.add(name)),
    },
    { ...world, files: userFiles },
  );
  await evaluation.run();
  return [...names].filter((name) => !/[*?!]/.test(name));
}
