/**
 * The fleet as the operator wants it, in one SQLite file of the state folder: hosts, clusters and their members, operations,
 * the timeline and faults. What is only observed (samples, connections) is not kept here.
 *
 * Each row is one JSON document that is parsed again when it is read; the columns beside it exist to find and to forbid
 * duplicates. The schema's version is SQLite's `user_version`. A file that cannot be read is an error: it is never replaced
 * by an empty one, since that would forget which nodes live where.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { z } from 'zod';
import {
  type FaultView,
  faultViewSchema,
  type Operation,
  operationSchema,
  type TimelineEvent,
  timelineEventSchema,
} from '../../contract/model.ts';
import { FailureError } from '../operations/failure.ts';
import { makePrivateFile } from '../private-files.ts';
import { migrate } from './migrations.ts';
import {
  type StoredCluster,
  type StoredHost,
  type StoredMember,
  storedClusterSchema,
  storedHostSchema,
  storedMemberSchema,
} from './records.ts';

export type NewEvent = Omit<TimelineEvent, 'eventId' | 'atUnixMs'> & { atUnixMs?: number };

export interface EventQuery {
  /** null: of all clusters. */
  readonly clusterId: string | null;
  /** Only older ones; null: from the newest. */
  readonly beforeEventId: number | null;
  readonly limit: number;
}

/** Throws FailureError `storeCorrupt` or `storeTooNew` where the file cannot be used. */
export class FleetStore {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #clock: () => number;
  readonly #changeListeners = new Set<() => void>();
  readonly #eventListeners = new Set<(event: TimelineEvent) => void>();

  constructor(options: { path: string; clock: () => number }) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#database = this.#open();
  }

  #open(): DatabaseSync {
    let database: DatabaseSync | null = null;
    try {
      this.#keepPrivate();
      database = new DatabaseSync(this.#path, { timeout: 2000 });
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
      const verdict = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
      if (verdict !== 'ok') throw new Error(String(verdict));
      migrate(database, this.#path);
      return database;
    } catch (error) {
      database?.close();
      if (error instanceof FailureError) throw error;
      throw this.#corrupt('cannot be read as a database', error);
    }
  }

  #keepPrivate(): void {
    makePrivateFile(this.#path);
    // Left by an engine that was killed, perhaps of a build that made them as the umask allowed.
    for (const beside of [`${this.#path}-wal`, `${this.#path}-shm`]) if (existsSync(beside)) makePrivateFile(beside);
  }

  #corrupt(what: string, cause: unknown): FailureError {
    return new FailureError(
      {
        kind: 'storeCorrupt',
        message: `The fleet file ${this.#path} ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
        nextStep: 'Nothing was changed. Restore the file from a backup, or move it away to start with an empty fleet.',
      },
      { cause },
    );
  }

  close(): void {
    this.#database.close();
  }

  /** Calls back after each change of hosts, clusters, members or faults; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  /** Runs all or nothing. */
  transaction<T>(change: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = change();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  // Hosts

  listHosts(): StoredHost[] {
    return this.#read(storedHostSchema, 'SELECT doc FROM hosts ORDER BY rowid');
  }

  getHost(hostId: string): StoredHost | null {
    return this.#read(storedHostSchema, 'SELECT doc FROM hosts WHERE host_id = ?', hostId)[0] ?? null;
  }

  putHost(host: StoredHost): void {
    this.#write(
      `INSERT INTO hosts (host_id, name, address, port, user, alias, via, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (host_id) DO UPDATE SET name = excluded.name, address = excluded.address, port = excluded.port,
         user = excluded.user, alias = excluded.alias, via = excluded.via, doc = excluded.doc`,
      [
        host.hostId,
        host.name,
        host.address,
        host.port,
        host.user,
        host.alias ?? '',
        host.via ?? '',
        JSON.stringify(storedHostSchema.parse(host)),
      ],
    );
  }

  removeHost(hostId: string): void {
    this.#write('DELETE FROM hosts WHERE host_id = ?', [hostId]);
  }

  // Clusters and members

  listClusters(): StoredCluster[] {
    return this.#read(storedClusterSchema, 'SELECT doc FROM clusters ORDER BY rowid');
  }

  getCluster(clusterId: string): StoredCluster | null {
    return this.#read(storedClusterSchema, 'SELECT doc FROM clusters WHERE cluster_id = ?', clusterId)[0] ?? null;
  }

  putCluster(cluster: StoredCluster): void {
    this.#write(
      `INSERT INTO clusters (cluster_id, name, doc) VALUES (?, ?, ?)
       ON CONFLICT (cluster_id) DO UPDATE SET name = excluded.name, doc = excluded.doc`,
      [cluster.clusterId, cluster.name, JSON.stringify(storedClusterSchema.parse(cluster))],
    );
  }

  /** Removes it with its members and faults. */
  removeCluster(clusterId: string): void {
    this.#write('DELETE FROM clusters WHERE cluster_id = ?', [clusterId]);
  }

  /** By member slot; without those that the cluster has removed. */
  listMembers(clusterId: string): StoredMember[] {
    return this.#membersOf(clusterId).filter((member) => !member.isLeaving);
  }

  /** Those that the cluster has removed, and whose hosts still carry them as far as is known. */
  listLeaving(clusterId: string): StoredMember[] {
    return this.#membersOf(clusterId).filter((member) => member.isLeaving);
  }

  #membersOf(clusterId: string): StoredMember[] {
    return this.#read(
      storedMemberSchema,
      'SELECT doc FROM members WHERE cluster_id = ? ORDER BY member_slot',
      clusterId,
    );
  }

  listMembersOnHost(hostId: string): StoredMember[] {
    return this.#read(storedMemberSchema, 'SELECT doc FROM members WHERE host_id = ? ORDER BY rowid', hostId);
  }

  getMember(nodeId: string): StoredMember | null {
    return this.#read(storedMemberSchema, 'SELECT doc FROM members WHERE node_id = ?', nodeId)[0] ?? null;
  }

  putMember(member: StoredMember): void {
    this.#write(
      `INSERT INTO members (node_id, cluster_id, member_slot, host_id, doc) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (node_id) DO UPDATE SET member_slot = excluded.member_slot, host_id = excluded.host_id, doc = excluded.doc`,
      [
        member.nodeId,
        member.clusterId,
        member.memberSlot,
        member.hostId,
        JSON.stringify(storedMemberSchema.parse(member)),
      ],
    );
  }

  removeMember(nodeId: string): void {
    this.#write('DELETE FROM members WHERE node_id = ?', [nodeId]);
  }

  // Faults

  /** Newest first; null: of all clusters. */
  listFaults(clusterId: string | null): FaultView[] {
    const where = 'WHERE ? IS NULL OR cluster_id = ?';
    return this.#read(faultViewSchema, `SELECT doc FROM faults ${where} ORDER BY rowid DESC`, clusterId, clusterId);
  }

  putFault(fault: FaultView): void {
    this.#write(
      `INSERT INTO faults (fault_id, cluster_id, doc) VALUES (?, ?, ?)
       ON CONFLICT (fault_id) DO UPDATE SET doc = excluded.doc`,
      [fault.faultId, fault.clusterId, JSON.stringify(faultViewSchema.parse(fault))],
    );
  }

  removeFault(faultId: string): void {
    this.#write('DELETE FROM faults WHERE fault_id = ?', [faultId]);
  }

  // Operations

  /** Newest first. */
  listOperations(limit: number): Operation[] {
    return this.#read(operationSchema, 'SELECT doc FROM operations ORDER BY rowid DESC LIMIT ?', limit);
  }

  listRunningOperations(): Operation[] {
    return this.#read(operationSchema, `SELECT doc FROM operations WHERE state IN ('pending', 'running')`);
  }

  getOperation(operationId: string): Operation | null {
    return this.#read(operationSchema, 'SELECT doc FROM operations WHERE operation_id = ?', operationId)[0] ?? null;
  }

  putOperation(operation: Operation): void {
    this.#run(
      `INSERT INTO operations (operation_id, state, doc) VALUES (?, ?, ?)
       ON CONFLICT (operation_id) DO UPDATE SET state = excluded.state, doc = excluded.doc`,
      [operation.operationId, operation.state, JSON.stringify(operation)],
    );
  }

  // Documents: plans that were shown, the audit, what is known of files on hosts

  getDocument<T>(kind: string, key: string, schema: z.ZodType<T>): T | null {
    return this.#read(schema, 'SELECT doc FROM documents WHERE kind = ? AND key = ?', kind, key)[0] ?? null;
  }

  /** Newest first, by when they were put last. */
  listDocuments<T>(kind: string, schema: z.ZodType<T>, limit: number): T[] {
    return this.#read(schema, 'SELECT doc FROM documents WHERE kind = ? ORDER BY rowid DESC LIMIT ?', kind, limit);
  }

  putDocument(kind: string, key: string, document: unknown): void {
    this.#run('INSERT OR REPLACE INTO documents (kind, key, doc) VALUES (?, ?, ?)', [
      kind,
      key,
      JSON.stringify(document),
    ]);
  }

  removeDocument(kind: string, key: string): void {
    this.#run('DELETE FROM documents WHERE kind = ? AND key = ?', [kind, key]);
  }

  // Timeline

  /** Newest first. */
  listEvents(query: EventQuery): TimelineEvent[] {
    return this.#read(
      timelineEventSchema,
      `SELECT json_set(doc, '$.eventId', event_id) AS doc FROM events
       WHERE (?1 IS NULL OR cluster_id = ?1) AND (?2 IS NULL OR event_id < ?2) ORDER BY event_id DESC LIMIT ?3`,
      query.clusterId,
      query.beforeEventId,
      query.limit,
    );
  }

  /** `atUnixMs` defaults to now. */
  appendEvent(event: NewEvent): TimelineEvent {
    const dated = { ...event, atUnixMs: event.atUnixMs ?? this.#clock() };
    const added = this.#run('INSERT INTO events (cluster_id, doc) VALUES (?, ?)', [
      dated.clusterId,
      JSON.stringify(dated),
    ]);
    const kept = timelineEventSchema.parse({ ...dated, eventId: Number(added.lastInsertRowid) });
    for (const listener of this.#eventListeners) listener(kept);
    return kept;
  }

  /** Calls back with each new event; returns how to stop. */
  onEvent(listener: (event: TimelineEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  #read<T>(schema: z.ZodType<T>, sql: string, ...values: SQLInputValue[]): T[] {
    return this.#database
      .prepare(sql)
      .all(...values)
      .map((row) => {
        try {
          return schema.parse(JSON.parse(String(row['doc'])));
        } catch (error) {
          throw this.#corrupt('holds a record that this version does not understand', error);
        }
      });
  }

  #write(sql: string, values: SQLInputValue[]): void {
    this.#run(sql, values);
    for (const listener of this.#changeListeners) listener();
  }

  #run(sql: string, values: SQLInputValue[]) {
    return this.#database.prepare(sql).run(...values);
  }
}
