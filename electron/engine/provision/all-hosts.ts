import { ConcurrencyLimit } from '../ssh/concurrency-limit.ts';

/** Connections are made in smaller waves than this; once they stand, a host costs this computer little. */
const HOSTS_AT_ONCE = 16;

/** All of them, so many at once, each to its own end; then throws what the first one threw, if any did. */
export async function allHosts<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const limit = new ConcurrencyLimit(HOSTS_AT_ONCE);
  const ends = await Promise.allSettled(
    items.map(async (item) => {
      const release = await limit.enter();
      await work(item).finally(release);
    }),
  );
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
