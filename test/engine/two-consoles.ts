/** Hosts on this computer as an operator's own, and consoles (engines with a state folder each) that all know them. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostView, NewHost } from '../../electron/contract/model.ts';
import type { EngineOptions, EngineResources } from '../../electron/engine/engine.ts';
import { labDown, labUp } from '../../electron/engine/lab/lab.ts';
import type { LabState } from '../../electron/engine/lab/lab-state.ts';
import { type Client, type EngineUnderTest, makeStateDir, startEngine } from './engine-under-test.ts';

export interface Console extends EngineUnderTest {
  readonly stateDir: string;
  readonly hosts: readonly HostView[];
}

export class Consoles {
  readonly #dir = makeStateDir();
  readonly #open: Console[] = [];
  readonly #stateDirs: string[] = [];
  #lab: LabState | null = null;

  get lab(): LabState {
    if (this.#lab === null) throw new Error('the hosts are not up');
    return this.#lab;
  }

  /** A folder for bundles. */
  get dist(): string {
    mkdirSync(join(this.#dir, 'dist'), { recursive: true });
    return join(this.#dir, 'dist');
  }

  async up(resources: EngineResources, hosts: number): Promise<void> {
    const server = { execPath: process.execPath, script: resources.labServerPath ?? '' };
    this.#lab = await labUp({ root: join(this.#dir, 'lab'), hosts, server });
  }

  addressOf(at: number, name: string): NewHost {
    const host = this.lab.hosts[at];
    if (!host) throw new Error(`there is no host ${at}`);
    const auth = { kind: 'key', path: this.lab.clientKeyPath } as const;
    return { name, address: host.address, port: host.sshPort, user: this.lab.user, auth };
  }

  /** A new console; `names`: how it calls the hosts that it knows, in their order. */
  async start(
    resources: EngineResources,
    names: readonly string[],
    options: Partial<EngineOptions> = {},
  ): Promise<Console> {
    const stateDir = makeStateDir();
    this.#stateDirs.push(stateDir);
    const { client, engine } = await startEngine(stateDir, resources, options);
    const hosts: HostView[] = [];
    for (const [at, name] of names.entries()) hosts.push(await trusted(client, this.addressOf(at, name)));
    return this.#keep({ client, engine, stateDir, hosts });
  }

  /** The same console with other resources, or after it was killed. */
  async again(
    console: Pick<Console, 'stateDir' | 'hosts'>,
    resources: EngineResources,
    options: Partial<EngineOptions> = {},
  ): Promise<Console> {
    const { stateDir, hosts } = console;
    await this.close(stateDir);
    return this.#keep({ ...(await startEngine(stateDir, resources, options)), stateDir, hosts });
  }

  #keep(console: Console): Console {
    this.#open.push(console);
    return console;
  }

  async close(stateDir: string): Promise<void> {
    for (const one of this.#open.filter((console) => console.stateDir === stateDir)) {
      this.#open.splice(this.#open.indexOf(one), 1);
      await one.engine.close();
    }
  }

  async down(): Promise<void> {
    for (const { engine } of this.#open.splice(0)) await engine.close();
    await labDown(join(this.#dir, 'lab'));
    for (const dir of [this.#dir, ...this.#stateDirs]) rmSync(dir, { recursive: true, force: true });
  }

  /** A file below `.synod` of every host; null where there is none. */
  filesAt(...names: readonly string[]): (string | null)[] {
    return this.lab.hosts.map((host) => {
      try {
        return readFileSync(join(host.home, '.synod', ...names), 'utf8');
      } catch {
        return null;
      }
    });
  }

  pathAt(host: number, ...names: readonly string[]): string {
    return join(this.lab.hosts[host]?.home ?? tmpdir(), '.synod', ...names);
  }

  /** Names in a folder below `.synod` of every host. */
  namesAt(...names: readonly string[]): string[][] {
    return this.lab.hosts.map((host) => {
      try {
        return readdirSync(join(host.home, '.synod', ...names));
      } catch {
        return [];
      }
    });
  }
}

export async function trusted(client: Client, address: NewHost): Promise<HostView> {
  const added = await client.hosts.add(address);
  const fingerprint = added.reachability.offeredKey?.fingerprint ?? '';
  return client.hosts.trustKey({ hostId: added.hostId, fingerprint });
}
