/** For tests: a host in memory, on which steps can be carried out as a script would. */
import { type HostPlace, hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import { type DesiredInput, desiredOfHost } from './desired.ts';
import type { HostStep } from './host-plan.ts';
import type { ObservedEntry, ObservedHost, ObservedService } from './observed-host.ts';
import type { Access } from './resources.ts';

export const homePath = '/home/ops';
export const nodeId = 'n-aaaaaaaa';
const keyPair = (name: string) => ({ certificate: `${name} certificate\n`, key: `${name} key\n` });

export function desiredInput(place: HostPlace, change: Partial<DesiredInput> = {}): DesiredInput {
  const member = { memberSlot: 1, nodeId, name: 'node-1', address: '192.0.2.1', peerPort: 2380, clientPort: 2379 };
  return {
    place,
    cluster: {
      clusterId: 'c-aaaaaaaa',
      name: 'orders',
      runtimeVersion: 'node-24',
      releaseVersion: '0.1.0',
      heartbeatMs: 50,
      electionTimeoutMs: 300,
    },
    member,
    members: [member],
    joined: null,
    userUnit: false,
    dataFolder: null,
    seed: null,
    shipped: {
      runtime: { digest: 'a'.repeat(64), bytes: 120 << 20 },
      release: { digest: 'b'.repeat(64), bytes: 2 << 20 },
    },
    keys: { authority: 'authority\n', peer: keyPair('peer'), client: keyPair('client') },
    // Not SHA-256, but as different for different texts.
    digest: (text) => Buffer.from(text).toString('hex').padEnd(64, '0'),
    ...change,
  };
}

export const placeOf = (name: 'home' | 'system') =>
  name === 'home' ? hostPlace('home', homePath) : hostPlace('system');

export function desired(name: 'home' | 'system', change: Partial<DesiredInput> = {}) {
  return desiredOfHost(desiredInput(placeOf(name), change));
}

export class HostUnderTest implements ObservedHost {
  readonly login = { name: 'ops', group: 'ops' };
  readonly entries = new Map<string, ObservedEntry>();
  readonly digests = new Map<string, string>();
  readonly identities = new Map<string, string>();
  readonly contents = new Map<string, string>();
  readonly links = new Map<string, string>();
  readonly filled = new Set<string>();
  readonly users = new Map<string, { comment: string; shell: string }>();
  readonly services = new Map<string, ObservedService>();
  readonly disks = new Map();
  readonly firewalls: string[] = [];
  /** Seconds since 1970. */
  now = 1000;

  entry(path: string, type: ObservedEntry['type'], access: Access = { owner: null, group: null, mode: 0o644 }): void {
    const owner = access.owner ?? this.login.name;
    const group = access.group ?? this.login.group;
    this.entries.set(path, { type, owner, group, mode: access.mode, bytes: 1, changedAt: this.now });
  }

  carryOut(steps: readonly HostStep[]): void {
    for (const step of steps) this.#do(step);
  }

  #do({ resource }: HostStep): void {
    switch (resource.kind) {
      case 'user':
        this.users.set(resource.name, { comment: '', shell: '/usr/sbin/nologin' });
        break;
      case 'folder':
        this.entry(resource.path, 'folder', resource.access);
        break;
      case 'file':
      case 'shipped':
        this.entry(resource.path, 'file', resource.access);
        this.digests.set(resource.path, resource.digest ?? '');
        if (resource.kind === 'file') this.contents.set(resource.path, resource.content ?? '');
        break;
      case 'link':
        this.entry(resource.path, 'link');
        this.links.set(resource.path, resource.to);
        break;
      case 'service':
        this.services.set(resource.nodeId, {
          isRunning: true,
          hasProcess: true,
          needsReload: false,
          startedAt: this.now,
        });
        break;
      case 'noService':
        this.services.delete(resource.nodeId);
        break;
      case 'noUser':
        this.users.delete(resource.name);
        break;
      default:
        for (const path of this.entries.keys())
          if (path === resource.path || (resource.kind === 'noTree' && path.startsWith(`${resource.path}/`)))
            this.entries.delete(path);
    }
  }
}
