/** Who changed what on hosts, when and why, with every command that was run for it. Written down as it happens. */
import { type AuditEntry, auditEntrySchema } from '../../contract/plan.ts';
import type { FleetStore } from '../fleet/store.ts';
import { failureOf } from '../operations/failure.ts';
import { CommandLog } from './apply/command-log.ts';
import { loginHere } from './shared/this-console.ts';

const AUDIT = 'audit';

export class Audit {
  readonly #store: FleetStore;
  readonly #clock: () => number;

  constructor(parts: { store: FleetStore; clock: () => number }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
  }

  /** Newest first. */
  list(limit: number): AuditEntry[] {
    return this.#store.listDocuments(AUDIT, auditEntrySchema, limit);
  }

  /** Runs the work with a log of its commands; what the engine does not live to see the end of stays `unknown`. */
  async of<T extends string>(
    about: Pick<AuditEntry, 'operationId' | 'kind' | 'title' | 'cluster' | 'why' | 'plan'>,
    work: (log: CommandLog) => Promise<T>,
  ): Promise<T> {
    const startedAtUnixMs = this.#clock();
    const log = new CommandLog({ clock: this.#clock, onChange: () => put('unknown', null) });
    const put = (result: AuditEntry['result'], outcome: string | null) => {
      const endedAtUnixMs = result === 'unknown' ? null : this.#clock();
      const entry: AuditEntry = {
        ...about,
        who: loginHere(),
        startedAtUnixMs,
        endedAtUnixMs,
        result,
        outcome,
        commands: log.commands,
      };
      this.#store.putDocument(AUDIT, about.operationId, entry);
    };
    put('unknown', null);
    try {
      const outcome = await work(log);
      put('succeeded', outcome);
      return outcome;
    } catch (error) {
      put('failed', failureOf(error).message);
      throw error;
    }
  }
}
