import { createRouterClient } from '@orpc/server';
import { expect, it } from 'vitest';
import { createRouter, type RouterParts } from './router.ts';

/** Nothing of the engine is reached: the input is refused before. */
const client = createRouterClient(createRouter({} as RouterParts), { context: {} });

it('names the field and its rule, and does not repeat what was given', async () => {
  const request = { name: 'Orders_2', hostIds: ['h-00000001'], peerPort: 99_999, clientPort: null };
  await expect(client.clusters.plan(request)).rejects.toMatchObject({
    code: 'FAILED',
    data: {
      kind: 'badInput',
      message:
        'This cannot be used. name: use lower-case letters, digits and hyphens, 32 at most; peerPort: Too big: expected number to be <=65535.',
      nextStep: 'Nothing was changed. Put right what is named, then try again.',
    },
  });
});

it('names a place in a list', async () => {
  const request = { name: 'orders', hostIds: ['h-00000001', 'alpha'], peerPort: null, clientPort: null };
  await expect(client.clusters.plan(request)).rejects.toMatchObject({
    data: { message: 'This cannot be used. hostIds.1: a host id is "h-" and 8 letters or digits.' },
  });
});
