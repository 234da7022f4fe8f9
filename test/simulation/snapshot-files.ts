/** The snapshots on one node's disk: the last two, so that the newest may be damaged. They outlive the process. */
import type { Slot } from '../../cluster-node/contract/ballot.ts';
import type { Configuration } from '../../cluster-node/contract/configuration.ts';
import type { MachineSnapshot } from './register-machine.ts';

const KEPT = 2;

export interface Snapshot {
  /** Everything up to here is in it. */
  readonly slot: Slot;
  readonly machine: MachineSnapshot;
  /** In force after `slot`. */
  readonly configuration: Configuration;
}

export class SnapshotFiles {
  /** Something was damaged that was not made up for since. */
  isDamaged = false;
  #sound: Snapshot[] = [];

  /** The newest that can be read. */
  get newest(): Snapshot | null {
    return this.#sound.at(-1) ?? null;
  }

  get count(): number {
    return this.#sound.length;
  }

  /** Durably. */
  add(snapshot: Snapshot): void {
    if (snapshot.slot <= (this.newest?.slot ?? 0)) return;
    this.#sound.push(snapshot);
    this.#sound = this.#sound.slice(-KEPT);
    if (this.#sound.length === KEPT) this.isDamaged = false;
  }

  /** The newest so many are lost, or do not check. */
  damage(count: number): void {
    this.#sound = this.#sound.slice(0, Math.max(0, this.#sound.length - count));
    this.isDamaged = true;
  }
}
