/** The store's schema, as the steps that lead to it: step i takes `user_version` i to i + 1. Steps are never edited. */
import type { DatabaseSync } from 'node:sqlite';
import { FailureError } from '../operations/failure.ts';

const steps: readonly string[] = [
  `CREATE TABLE hosts (host_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, address TEXT NOT NULL, port INTEGER NOT NULL,
     user TEXT NOT NULL, doc TEXT NOT NULL, UNIQUE (address, port, user));
   CREATE TABLE clusters (cluster_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
   CREATE TABLE members (node_id TEXT PRIMARY KEY, member_slot INTEGER NOT NULL,
     cluster_id TEXT NOT NULL REFERENCES clusters ON DELETE CASCADE, host_id TEXT NOT NULL REFERENCES hosts,
     doc TEXT NOT NULL, UNIQUE (cluster_id, member_slot));
   CREATE TABLE faults (fault_id TEXT PRIMARY KEY, cluster_id TEXT NOT NULL REFERENCES clusters ON DELETE CASCADE,
     doc TEXT NOT NULL);
   CREATE TABLE operations (operation_id TEXT PRIMARY KEY, state TEXT NOT NULL, doc TEXT NOT NULL);
   CREATE TABLE events (event_id INTEGER PRIMARY KEY AUTOINCREMENT, cluster_id TEXT, doc TEXT NOT NULL);
   CREATE INDEX events_of_cluster ON events (cluster_id, event_id);`,
  `CREATE TABLE documents (kind TEXT NOT NULL, key TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (kind, key));`,
  // Behind different jump hosts one address may be two hosts: the way there becomes part of what must differ.
  `CREATE TABLE hosts_2 (host_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, address TEXT NOT NULL, port INTEGER NOT NULL,
     user TEXT NOT NULL, alias TEXT NOT NULL, via TEXT NOT NULL, doc TEXT NOT NULL,
     UNIQUE (address, port, user, alias, via));
   INSERT INTO hosts_2 SELECT host_id, name, address, port, user, '', '',
     json_set(doc, '$.alias', NULL, '$.via', NULL) FROM hosts ORDER BY rowid;
   DROP TABLE hosts;
   ALTER TABLE hosts_2 RENAME TO hosts;`,
  `UPDATE hosts SET doc = json_set(doc, '$.transport', 'builtin');`,
];

/** What is kept of the past; older rows go when the store is opened. */
const pruning = `
  DELETE FROM operations WHERE state NOT IN ('pending', 'running')
    AND rowid <= (SELECT max(rowid) FROM operations) - 500;
  DELETE FROM documents WHERE kind = 'plan' AND rowid NOT IN
    (SELECT rowid FROM documents WHERE kind = 'plan' ORDER BY rowid DESC LIMIT 50);
  DELETE FROM events WHERE event_id <= (SELECT max(event_id) FROM events) - 100000;`;

/** Brings the schema up to date. Throws FailureError `storeTooNew` when a later version of Synod wrote the file. */
export function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version > steps.length)
    throw new FailureError({
      kind: 'storeTooNew',
      message: `The fleet file ${path} was written by a later version of Synod (schema ${version}, known up to ${steps.length}).`,
      nextStep: 'Start that version, or use another state folder. Nothing was changed.',
    });
  // A table that others refer to is replaced by a new one of its name; within a transaction this cannot be switched.
  database.exec('PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON');
  for (let at = version; at < steps.length; at++)
    database.exec(`BEGIN IMMEDIATE; ${steps[at]} PRAGMA user_version = ${at + 1}; COMMIT`);
  database.exec('PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON');
  database.exec(pruning);
}
