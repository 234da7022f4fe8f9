import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { Outbox } from './outbox.ts';

const reply = (result: unknown) => ({ kind: 'reply', id: 1, ok: true, result }) as const;
const events = { kind: 'nodeEvents', nodeId: 'n-aaaaaaaa', boot: 1, events: [] } as const;

it('drops and counts what may be dropped while the channel is not drained, and goes on when it is', async () => {
  const channel = new PassThrough();
  const outbox = new Outbox(channel);
  outbox.send(reply('x'.repeat(600_000)));
  expect(outbox.congested).toBe(true);
  expect(outbox.offer({ ...events, events: [] })).toBe(false);
  expect(outbox.takeDropped()).toBe(1);
  outbox.send(reply('still'));
  const drained = once(channel, 'drain');
  channel.resume();
  await drained;
  expect(outbox.congested).toBe(false);
  expect(outbox.offer({ ...events, events: [] })).toBe(true);
  expect(outbox.takeDropped()).toBe(0);
});

it('answers with an error instead of a line over the bound', () => {
  const channel = new PassThrough();
  new Outbox(channel).send(reply('x'.repeat(1 << 20)));
  expect(JSON.parse(String(channel.read()))).toMatchObject({ id: 1, ok: false, error: { kind: 'failed' } });
});
