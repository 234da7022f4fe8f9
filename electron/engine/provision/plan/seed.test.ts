import { describe, expect, it } from 'vitest';
import { nodeConfigSchema } from '../../../../cluster-node/contract/node-config.ts';
import { desiredOfHost, type SeedFile } from './desired.ts';
import { desiredInput, placeOf } from './host-under-test.ts';

const seed: SeedFile = { slot: 12, sha256: 'c'.repeat(64), bytes: 1000, isPlanted: false };

describe.each(['home', 'system'] as const)('a restored cluster in the %s place', (name) => {
  const place = placeOf(name);
  const resourcesWith = (given: SeedFile | null) => desiredOfHost(desiredInput(place, { seed: given }));
  const seedIn = (given: SeedFile | null) =>
    resourcesWith(given).find((one) => one.kind === 'shipped' && one.source === 'seed');
  const configuredIn = (given: SeedFile | null) => {
    const config = resourcesWith(given).find((one) => 'path' in one && one.path.endsWith('/config.json'));
    return nodeConfigSchema.parse(JSON.parse((config?.kind === 'file' && config.content) || '')).seed;
  };

  it('has its seed beside the node until the node has run', () => {
    const { stateDir, birth } = place.node('n-aaaaaaaa');
    expect(seedIn(seed)).toMatchObject({ path: `${stateDir}/seed.snapshot`, until: birth, digest: seed.sha256 });
    expect(seedIn({ ...seed, isPlanted: true })).toBeUndefined();
    expect(seedIn(null)).toBeUndefined();
  });

  it('is bound to its seed for good', () => {
    for (const isPlanted of [false, true])
      expect(configuredIn({ ...seed, isPlanted })).toMatchObject({ slot: 12, sha256: seed.sha256 });
    expect(configuredIn(null)).toBeUndefined();
  });
});
