/** The clients of one node: what they wait for, and what they are told. */
import type { Slot } from '../../cluster-node/contract/ballot.ts';
import type { Machine } from './machine.ts';

export class ScenarioClients {
  #say: (text: string) => void;
  #sequence = 0;
  /** Values that clients of this life wrote and have no answer for. */
  #written = new Set<string>();
  /** What each read must see that may be answered once it is applied. */
  #readSlots: Slot[] = [];

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  /** The number of the request; likewise of a read. */
  write(text: string): number {
    this.#written.add(text);
    return ++this.#sequence;
  }

  read(): number {
    return ++this.#sequence;
  }

  onApplied(text: string): void {
    if (this.#written.delete(text)) this.tell(`"${text}" is done`);
  }

  onReadReady(readSlot: Slot): void {
    this.#readSlots.push(readSlot);
  }

  answerReads({ appliedUpTo, state }: Machine): void {
    const seen = state === null ? 'nothing' : `"${state}"`;
    for (const readSlot of this.#readSlots)
      if (readSlot <= appliedUpTo) this.tell(`it reads ${seen} (slot ${readSlot} or later)`);
    this.#readSlots = this.#readSlots.filter((readSlot) => readSlot > appliedUpTo);
  }

  tell(text: string): void {
    this.#say(`tells its client: ${text}`);
  }

  /** The node is down, and its clients with it. */
  forget(): void {
    this.#written.clear();
    this.#readSlots = [];
  }
}
