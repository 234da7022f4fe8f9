import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FailureError } from '../operations/failure.ts';
import { asFounder, type StoredCluster, type StoredHost, type StoredMember } from './records.ts';
import { FleetStore } from './store.ts';

const host: StoredHost = {
  hostId: 'h-aaaaaaaa',
  name: 'alpha',
  address: '192.0.2.1',
  port: 22,
  user: 'ops',
  auth: { kind: 'default' },
  alias: null,
  via: null,
  transport: 'builtin',
  origin: 'operator',
  addedAtUnixMs: 5,
  facts: null,
  place: null,
};
const cluster: StoredCluster = {
  clusterId: 'c-aaaaaaaa',
  name: 'orders',
  origin: 'operator',
  createdAtUnixMs: 6,
  lifecycle: 'provisioning',
  runtimeVersion: '24.21.0',
  releaseVersion: '0.1.0',
  heartbeatMs: 50,
  electionTimeoutMs: 500,
  place: 'home',
  founders: [],
};
const member: StoredMember = {
  clusterId: 'c-aaaaaaaa',
  hostId: 'h-aaaaaaaa',
  nodeId: 'n-aaaaaaaa',
  memberSlot: 1,
  name: 'node-1',
  address: '192.0.2.1',
  peerPort: 2380,
  clientPort: 2379,
  dataFolder: null,
  ...asFounder,
};

describe('the fleet store', () => {
  let dir: string;
  let path: string;
  const open = () => new FleetStore({ path, clock: () => 77 });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'synod-store-'));
    path = join(dir, 'fleet.db');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('keeps hosts, clusters, members and events over a restart', () => {
    const first = open();
    first.putHost(host);
    first.transaction(() => {
      first.putCluster(cluster);
      first.putMember(member);
    });
    const about = {
      clusterId: null,
      hostId: null,
      nodeId: null,
      level: 'info',
      subject: 'Engine',
      text: 'up',
    } as const;
    first.appendEvent(about);
    first.appendEvent({ ...about, clusterId: cluster.clusterId });
    first.close();
    const second = open();
    expect(second.listHosts()).toEqual([host]);
    expect(second.listClusters()).toEqual([cluster]);
    expect(second.listMembers(cluster.clusterId)).toEqual([member]);
    expect(second.listEvents({ clusterId: null, beforeEventId: null, limit: 9 }).map((e) => e.eventId)).toEqual([2, 1]);
    expect(second.listEvents({ clusterId: null, beforeEventId: 2, limit: 9 })).toHaveLength(1);
    expect(second.listEvents({ clusterId: cluster.clusterId, beforeEventId: null, limit: 9 })).toMatchObject([
      { eventId: 2, atUnixMs: 77 },
    ]);
    second.removeCluster(cluster.clusterId);
    expect(second.listMembersOnHost(host.hostId)).toEqual([]);
    second.close();
  });

  it('rolls a failed change back', () => {
    const store = open();
    store.putHost(host);
    expect(() =>
      store.transaction(() => {
        store.putCluster(cluster);
        store.putMember({ ...member, hostId: 'h-bbbbbbbb' });
      }),
    ).toThrow(/FOREIGN KEY/);
    expect(store.listClusters()).toEqual([]);
    store.close();
  });

  it('refuses a corrupt file and leaves it as it is', () => {
    writeFileSync(path, 'this is no database, and it is longer than a header '.repeat(40));
    const before = readFileSync(path);
    expect(open).toThrow(FailureError);
    expect(open).toThrow(/cannot be read/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('refuses a record it does not understand, naming the file', () => {
    open().close();
    const raw = new DatabaseSync(path);
    raw.exec(`INSERT INTO clusters VALUES ('c-aaaaaaaa', 'x', '{"name":"x"}')`);
    raw.close();
    const store = open();
    expect(() => store.listClusters()).toThrow(/fleet\.db holds a record/);
    store.close();
  });

  it('refuses a file of a later version', () => {
    open().close();
    const raw = new DatabaseSync(path);
    raw.exec('PRAGMA user_version = 99');
    raw.close();
    expect(open).toThrow(/later version/);
  });

  it('takes over a file from before hosts had a way to them', () => {
    const old = new DatabaseSync(path);
    old.exec(`CREATE TABLE hosts (host_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, address TEXT NOT NULL,
        port INTEGER NOT NULL, user TEXT NOT NULL, doc TEXT NOT NULL, UNIQUE (address, port, user));
      CREATE TABLE clusters (cluster_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
      CREATE TABLE members (node_id TEXT PRIMARY KEY, member_slot INTEGER NOT NULL,
        cluster_id TEXT NOT NULL REFERENCES clusters ON DELETE CASCADE, host_id TEXT NOT NULL REFERENCES hosts,
        doc TEXT NOT NULL, UNIQUE (cluster_id, member_slot));
      CREATE TABLE faults (fault_id TEXT PRIMARY KEY, cluster_id TEXT NOT NULL, doc TEXT NOT NULL);
      CREATE TABLE operations (operation_id TEXT PRIMARY KEY, state TEXT NOT NULL, doc TEXT NOT NULL);
      CREATE TABLE events (event_id INTEGER PRIMARY KEY AUTOINCREMENT, cluster_id TEXT, doc TEXT NOT NULL);
      PRAGMA user_version = 1`);
    const { alias: _alias, via: _via, transport: _transport, ...before } = host;
    const insert = (sql: string, ...values: (string | number)[]): void => void old.prepare(sql).run(...values);
    insert(
      'INSERT INTO hosts VALUES (?, ?, ?, 22, ?, ?)',
      host.hostId,
      'alpha',
      host.address,
      'ops',
      JSON.stringify(before),
    );
    insert('INSERT INTO clusters VALUES (?, ?, ?)', cluster.clusterId, cluster.name, JSON.stringify(cluster));
    insert(
      'INSERT INTO members VALUES (?, 1, ?, ?, ?)',
      'n-aaaaaaaa',
      cluster.clusterId,
      host.hostId,
      JSON.stringify(member),
    );
    old.close();
    const store = open();
    expect(store.listHosts()).toEqual([host]);
    // Who refers to hosts refers to the new table: a host with a member stays, and behind another way its address is free.
    expect(() => store.removeHost(host.hostId)).toThrow(/FOREIGN KEY/);
    store.putHost({ ...host, hostId: 'h-bbbbbbbb', name: 'beta', via: 'gate' });
    expect(() => store.putHost({ ...host, hostId: 'h-cccccccc', name: 'gamma' })).toThrow(/UNIQUE/);
    store.close();
  });
});
