import { expect, it } from 'vitest';
import { KeyedQueue, singleFlight, within } from './bounded.ts';

it('gives the fallback when the value does not come, and passes on a value or a rejection', async () => {
  expect(await within(new Promise(() => {}), 1, 'late')).toBe('late');
  expect(await within(Promise.resolve('value'), 1000, 'late')).toBe('value');
  await expect(within(Promise.reject(new Error('broken')), 1000, 'late')).rejects.toThrow('broken');
});

it('does not start a job again while it hangs', async () => {
  let started = 0;
  const gate = Promise.withResolvers<string>();
  const job = singleFlight(() => {
    started += 1;
    return gate.promise;
  });
  const both = [job(), job()];
  gate.resolve('done');
  expect(await Promise.all(both)).toEqual(['done', 'done']);
  expect(started).toBe(1);
  await job();
  expect(started).toBe(2);
});

it('runs jobs of one key in order, also after one that failed, and other keys beside them', async () => {
  const queue = new KeyedQueue();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = queue.run('a', async () => {
    await gate.promise;
    order.push('a1');
    throw new Error('a1 failed');
  });
  const second = queue.run('a', async () => order.push('a2'));
  await queue.run('b', async () => order.push('b1'));
  gate.resolve();
  await expect(first).rejects.toThrow('a1 failed');
  await second;
  expect(order).toEqual(['b1', 'a1', 'a2']);
});
