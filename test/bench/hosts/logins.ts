/** Logins on hosts of the lab as an operator adds them; and many of them on few machines, each with a home of its own. */
import type { Client } from '../../engine/engine-under-test.ts';
import type { LabHost } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';

export interface ManyLogins {
  /** Host ids; those of one cluster are on different machines. */
  readonly clusters: readonly (readonly string[])[];
}

/** Returns the host id. Throws where the host offers another key than the one that it was made with. */
export async function addLogin(
  client: Client,
  { host, user, name }: { host: LabHost; user: string; name: string },
): Promise<string> {
  const { address, sshPort: port, keyPath } = host;
  const added = await client.hosts.add({ name, address, port, user, auth: { kind: 'key', path: keyPath } });
  const offered = added.reachability.offeredKey;
  if (offered === null) return added.hostId;
  if (!host.fingerprints.includes(offered.fingerprint)) throw new Error(`${name} offers a key that is not its own`);
  return (await client.hosts.trustKey({ hostId: added.hostId, fingerprint: offered.fingerprint })).hostId;
}

/** `count`: of all logins together, as near as machines divide it. */
export async function addLoginsForMany(
  client: Client,
  { lab, count }: { lab: Lab; count: number },
): Promise<ManyLogins> {
  const users = Array.from({ length: Math.floor(count / lab.hosts.length) }, (_, index) => `many${index + 1}`);
  await Promise.all(lab.hosts.map((host) => host.root(users.map(userLines).join('\n'), { timeoutMs: 120_000 })));
  const clusters: string[][] = [];
  for (const user of users)
    clusters.push(
      await Promise.all(lab.hosts.map((host) => addLogin(client, { host, user, name: `${host.name}-${user}` }))),
    );
  return { clusters };
}

function userLines(user: string): string {
  return `useradd --create-home --shell /bin/bash ${user}
install -d -m 0700 -o ${user} -g ${user} /home/${user}/.ssh
install -m 0600 -o ${user} -g ${user} /home/ops/.ssh/authorized_keys /home/${user}/.ssh/authorized_keys`;
}
