/** A lab with nodes on it whose own files are damaged: it says which, and is taken down all the same. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  ended,
  makeStateDir,
  startEngine,
  succeeded,
  withSmallRuntime,
} from './engine-under-test.ts';

describe.skipIf(process.platform !== 'linux')('a damaged lab', { timeout: 60_000 }, () => {
  const stateDir = makeStateDir();
  const dist = join(stateDir, 'dist');
  let under: EngineUnderTest;

  beforeAll(async () => {
    under = await startEngine(stateDir, withSmallRuntime(await buildResources(dist), dist));
  });
  afterAll(async () => {
    await under.engine.close();
    await cleanUp(stateDir);
  });

  it('names the file, and goes down to nothing with the nodes on it', async () => {
    const { client } = under;
    await succeeded(client, (await client.lab.tryIt({ nodes: 1 })).operationId);
    for (const name of ['lab.json', 'server.json']) writeFileSync(join(stateDir, 'lab', name), '{"root"');
    const problem = {
      kind: 'labUnreadable',
      message: expect.stringContaining(join(stateDir, 'lab', 'lab.json')),
      nextStep: expect.stringContaining('synod lab down'),
    };
    await expect(client.lab.status()).rejects.toMatchObject({ code: 'FAILED', data: problem });
    expect(await ended(client, (await client.lab.up({ hosts: 1 })).operationId)).toMatchObject({ failure: problem });
    await succeeded(client, (await client.lab.down({ confirm: 'lab' })).operationId);
    expect(await client.lab.status()).toMatchObject({ running: false, hosts: [], residue: [] });
    expect(await client.fleet.get()).toMatchObject({ clusters: [], hosts: [] });
    await succeeded(client, (await client.lab.up({ hosts: 1 })).operationId);
  });
});
