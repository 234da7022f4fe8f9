/**
 * Which disk each peer had when it was first met. A member that comes back with another one (a host set up anew with the same
 * configuration and certificates) has forgotten what it promised and would vote again as if it never had: it is neither heard
 * nor spoken to, and the operator is told to replace it. The note is kept in the data folder, so that it outlives restarts.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemberSlot } from '../contract/ballot.ts';
import { writeFileDurably } from '../storage/files.ts';
import { type DisksByMember, encodeKnownDisks, KNOWN_DISKS_FILE, parseKnownDisks } from '../storage/notes.ts';

export class KnownDisks {
  readonly #path: string;
  readonly #incarnations: Map<MemberSlot, string>;
  readonly #onTrouble: (error: unknown) => void;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, known: Map<MemberSlot, string>, onTrouble: (error: unknown) => void) {
    this.#path = path;
    this.#incarnations = known;
    this.#onTrouble = onTrouble;
  }

  /** A note that is damaged is told of and begun anew: the others know their peers still. */
  static async open(dataDir: string, onTrouble: (error: unknown) => void): Promise<KnownDisks> {
    const path = join(dataDir, KNOWN_DISKS_FILE);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    const disks = text === null ? {} : parse(path, text, onTrouble);
    const known = Object.entries(disks).map(([slot, incarnation]): [MemberSlot, string] => [Number(slot), incarnation]);
    return new KnownDisks(path, new Map(known), onTrouble);
  }

  /** Notes a member's disk at the first meeting; says what is wrong when it is another one now, else null. */
  meet(member: MemberSlot, incarnation: string): string | null {
    const known = this.#incarnations.get(member);
    if (known === incarnation) return null;
    if (known !== undefined)
      return (
        `member ${member} comes with another disk (${incarnation}) than it had (${known}): what it promised is lost and it ` +
        'must not vote. Remove it from the cluster and add it again as a new member.'
      );
    this.#incarnations.set(member, incarnation);
    this.#note();
    return null;
  }

  /** Forgets everyone else, and says whom: slots of members that are gone are never given again. */
  keep(members: readonly MemberSlot[]): MemberSlot[] {
    const gone = [...this.#incarnations.keys()].filter((member) => !members.includes(member));
    for (const member of gone) this.#incarnations.delete(member);
    if (gone.length > 0) this.#note();
    return gone;
  }

  #note(): void {
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#onTrouble);
  }

  /** Resolves when all that was noted is on disk. */
  close(): Promise<void> {
    return this.#writing;
  }

  #write(): Promise<void> {
    return writeFileDurably(this.#path, encodeKnownDisks(Object.fromEntries(this.#incarnations)));
  }
}

function parse(path: string, text: string, onTrouble: (error: unknown) => void): DisksByMember {
  try {
    return parseKnownDisks(text);
  } catch (cause) {
    onTrouble(
      new Error(`${path}, which says what disks the other members had, is damaged; they are met anew`, { cause }),
    );
    return {};
  }
}
