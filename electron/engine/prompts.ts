/**
 * What has to be asked of a person while the engine works: passphrases, passwords, one-time codes. A shell watches the open
 * prompts and answers them; where nobody watches, nobody is asked, and the login fails saying what was missing. Answers are held
 * only by whoever asked.
 */
import { randomUUID } from 'node:crypto';
import type { Prompt } from '../contract/login.ts';

export type PromptQuestion = Omit<Prompt, 'promptId'>;

export interface PromptAnswer {
  /** One for each of the question's fields. */
  readonly answers: readonly string[];
  /** The person wants it kept where the system keeps secrets. */
  readonly keep: boolean;
}

/** Longer than this nobody is waited for, milliseconds. */
const PATIENCE_MS = 180_000;

interface Open {
  readonly prompt: Prompt;
  readonly answer: Promise<PromptAnswer | null>;
  readonly settle: (answer: PromptAnswer | null) => void;
}

export class Prompts {
  readonly #open = new Map<string, Open>();
  readonly #watchers = new Set<() => void>();

  /** null: declined, nobody there, or no answer in time. Who asks for the same thing at the same time shares the answer. */
  async ask(question: PromptQuestion): Promise<PromptAnswer | null> {
    if (this.#watchers.size === 0) return null;
    const isSame = ({ prompt }: Open): boolean => prompt.kind === question.kind && prompt.about === question.about;
    const present = [...this.#open.values()].find((open) => question.kind !== 'questions' && isSame(open));
    if (present !== undefined) return await present.answer;
    const prompt = { ...question, promptId: randomUUID() };
    const { promise, resolve } = Promise.withResolvers<PromptAnswer | null>();
    const timer = setTimeout(() => this.#settle(prompt.promptId, null), PATIENCE_MS);
    timer.unref();
    this.#open.set(prompt.promptId, { prompt, answer: promise, settle: resolve });
    this.#changed();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** False: it is not open (any more). null: the person declines. */
  answer(promptId: string, answer: PromptAnswer | null): boolean {
    return this.#settle(promptId, answer);
  }

  /** The open prompts now and at each change. When the last watcher goes, what is open is declined. */
  async *watch(signal: AbortSignal | undefined): AsyncGenerator<Prompt[]> {
    let wake = (): void => {};
    let isStale = true;
    const watcher = (): void => {
      isStale = true;
      wake();
    };
    this.#watchers.add(watcher);
    signal?.addEventListener('abort', watcher, { once: true });
    try {
      for (;;) {
        if (signal?.aborted === true) return;
        if (isStale) {
          isStale = false;
          yield [...this.#open.values()].map(({ prompt }) => prompt);
        } else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(watcher);
      signal?.removeEventListener('abort', watcher);
      if (this.#watchers.size === 0) this.close();
    }
  }

  /** Declines what is open. */
  close(): void {
    for (const promptId of this.#open.keys()) this.#settle(promptId, null);
  }

  #settle(promptId: string, answer: PromptAnswer | null): boolean {
    const open = this.#open.get(promptId);
    if (open === undefined) return false;
    this.#open.delete(promptId);
    open.settle(answer);
    this.#changed();
    return true;
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
