/** A client that writes to the cluster all the time, through its client API, and counts what was acknowledged. */
import { readFileSync } from 'node:fs';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';

export interface Writes {
  readonly acknowledged: () => number;
  readonly stop: () => Promise<void>;
}

export function startWrites(cluster: {
  endpoints: readonly string[];
  tls: { ca: string; cert: string; key: string } | null;
}): Writes {
  const read = (path: string) => readFileSync(path, 'utf8');
  const files = cluster.tls;
  const tls = files === null ? null : { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
  const scheme = tls === null ? 'http' : 'https';
  const urlOf = (endpoint: string) => (endpoint.includes('://') ? endpoint : `${scheme}://${endpoint}`);
  const stopping = new AbortController();
  let acknowledged = 0;
  const workers = cluster.endpoints.map(async (endpoint) => {
    const client = new EtcdClient({ endpoint: urlOf(endpoint), tls }, { callMs: 2000, connectMs: 1000 });
    for (let sequence = 0; !stopping.signal.aborted; sequence += 1) {
      try {
        await client.put(`load/${endpoint}/${sequence % 1000}`, 'x'.repeat(64));
        acknowledged += 1;
      } catch {
        // This node is down or cut off; the others' writers go on.
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    client.close();
  });
  return {
    acknowledged: () => acknowledged,
    stop: async () => {
      stopping.abort();
      await Promise.all(workers);
    },
  };
}
