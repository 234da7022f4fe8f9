/** What is wrong with this node now. An alarm is raised once, stands until it is cleared, and says what to do about it. */
export class Alarms {
  readonly #active = new Map<string, string>();
  readonly #onRaised: (text: string) => void;
  readonly #onCleared: (text: string) => void;

  constructor(options: { readonly onRaised: (text: string) => void; readonly onCleared: (text: string) => void }) {
    this.#onRaised = options.onRaised;
    this.#onCleared = options.onCleared;
  }

  /** `key` names the trouble, `text` says it in a sentence. Raising what stands already changes only its text. */
  raise(key: string, text: string): void {
    const isNew = !this.#active.has(key);
    this.#active.set(key, text);
    if (isNew) this.#onRaised(text);
  }

  /** `text` says in a sentence that it is over. */
  clear(key: string, text: string): void {
    if (this.#active.delete(key)) this.#onCleared(text);
  }

  /** Oldest first. */
  list(): string[] {
    return [...this.#active.values()];
  }
}
