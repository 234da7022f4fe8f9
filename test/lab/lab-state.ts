/** What is known of a lab that is up, kept in its folder so that a person and later commands find it. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../../electron/engine/lab/process-identity.ts';
import type { HostOptions } from './host-options.ts';

export interface HostState {
  /** From 1; it is in names, ports and addresses. */
  readonly number: number;
  readonly name: string;
  /** Where its sshd is: on the front segment where it has one, else on the back. */
  readonly address: string;
  readonly options: HostOptions;
  /** `SHA256:…`, one a host key, as ssh-keygen prints it. */
  readonly fingerprints: readonly string[];
}

export interface LabState {
  readonly name: string;
  /** The x of 10.77.x.0/24 (front) and 10.78.x.0/24 (back). No two labs of a machine share it. */
  readonly subnet: number;
  /** Process 1 of the lab. */
  readonly enclosure: ProcessIdentity;
  readonly hosts: readonly HostState[];
}

/** Where labs live: disks, keys and state. Set SYNOD_LAB_DIR to have them elsewhere; all labs of a machine must agree on it. */
export function labsFolder(): string {
  return process.env.SYNOD_LAB_DIR ?? '/var/tmp/synod-lab';
}

export function labFolder(name: string): string {
  return join(labsFolder(), name);
}

export function hostFolder(labName: string, hostName: string): string {
  return join(labFolder(labName), hostName);
}

/** Every lab with a folder, also those that are down and left something behind: their state is null when it was never written. */
export function readLabs(): { name: string; state: LabState | null }[] {
  if (!existsSync(labsFolder())) return [];
  return readdirSync(labsFolder(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, state: readState(name) }));
}

export function readState(name: string): LabState | null {
  const file = stateFile(name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LabState) : null;
}

export function writeState(state: LabState): void {
  writeFileSync(stateFile(state.name), JSON.stringify(state, null, 2));
}

function stateFile(name: string): string {
  return join(labFolder(name), 'lab.json');
}
