/** What OpenSSH's client asks when it logs in, read from the text of its question (readpass.c, sshconnect2.c, ssh-sk-client.c). Pure. */

export type AskpassQuestion =
  | { kind: 'passphrase'; keyPath: string }
  /** `login`: "user@host"; null: the question does not name it. */
  | { kind: 'password'; login: string }
  | { kind: 'question'; login: string | null; text: string }
  /** Nothing to answer: a hardware key waits for a touch. */
  | { kind: 'notice'; text: string }
  /** A yes or no that is not asked of anybody: what it would allow was not wished for. */
  | { kind: 'confirmation' };

/** `hint`: $SSH_ASKPASS_PROMPT. */
export function readQuestion(text: string, hint: string): AskpassQuestion {
  if (hint === 'none') return { kind: 'notice', text };
  if (hint === 'confirm' || /\(yes\/no/.test(text)) return { kind: 'confirmation' };
  const keyPath = /^Enter passphrase for (?:key )?'?(.+?)'?: ?$/.exec(text)?.[1];
  if (keyPath !== undefined) return { kind: 'passphrase', keyPath };
  const login = /^(\S+@\S+)'s password: ?$/.exec(text)?.[1];
  if (login !== undefined) return { kind: 'password', login };
  const [, asker, rest] = /^\((\S+@\S+)\) ([^]*)$/.exec(text) ?? [];
  return { kind: 'question', login: asker ?? null, text: rest ?? text };
}
