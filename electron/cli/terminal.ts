/** Questions to the person at the terminal: on stderr, with the answer hidden where it is a secret. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Prompt } from '../contract/login.ts';
import type { EngineClient } from '../serve/engine-socket.ts';

/** Two questions at once would share the keyboard: the second waits. */
let last: Promise<unknown> = Promise.resolve();

/** null: the person ended the input (Ctrl-D), or `signal` came first. */
export async function askAtTerminal(
  question: string,
  options: { echo: boolean; signal?: AbortSignal },
): Promise<string | null> {
  const asked = last.then(() => askNow(question, options));
  last = asked;
  return await asked;
}

/** Answers what the engine asks until `signal`. */
export async function answerPrompts(client: EngineClient, signal: AbortSignal): Promise<void> {
  const seen = new Set<string>();
  for await (const prompts of await client.prompts.watch(undefined, { signal })) {
    for (const prompt of prompts.filter(({ promptId }) => !seen.has(promptId))) {
      seen.add(prompt.promptId);
      const answers = await answersTo(prompt, signal);
      const keep = answers !== null && prompt.canKeep && (await isToBeKept(signal));
      await client.prompts.answer({ promptId: prompt.promptId, answers, keep });
    }
  }
}

async function isToBeKept(signal: AbortSignal): Promise<boolean> {
  const answer = await askAtTerminal('Keep it in the keyring of this computer? [y/N] ', { echo: true, signal });
  return /^y(es)?$/i.test(answer?.trim() ?? '');
}

async function answersTo(prompt: Prompt, signal: AbortSignal): Promise<string[] | null> {
  if (prompt.wasWrong) process.stderr.write('That did not serve.\n');
  if (prompt.title !== '') process.stderr.write(`${prompt.title}\n`);
  const answers: string[] = [];
  for (const { text, echo } of prompt.fields) {
    const label = prompt.kind === 'questions' ? `${prompt.host}: ${text}` : `${text} of ${prompt.about}: `;
    const answer = await askAtTerminal(label, { echo, signal });
    if (answer === null) return null;
    answers.push(answer);
  }
  return answers;
}

async function askNow(question: string, { echo, signal }: { echo: boolean; signal?: AbortSignal }) {
  if (signal?.aborted === true) return null;
  process.stderr.write(question);
  // readline echoes what is typed to its output: for a secret that goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: process.stdin, output: echo ? process.stderr : nowhere, terminal: true });
  return await new Promise<string | null>((resolve) => {
    const end = (answer: string | null): void => {
      signal?.removeEventListener('abort', onAbort);
      reader.close();
      if (!echo) process.stderr.write('\n');
      resolve(answer);
    };
    const onAbort = (): void => end(null);
    signal?.addEventListener('abort', onAbort, { once: true });
    reader.once('line', end);
    reader.once('close', () => resolve(null));
    reader.once('SIGINT', () => {
      end(null);
      process.kill(process.pid, 'SIGINT');
    });
  });
}
