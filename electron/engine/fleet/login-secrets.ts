/**
 * Where the secrets of a login come from, in this order: what the operator gave for the host, what was answered before, the
 * person at the console. Answers are held for the life of the engine; what shall outlive it goes to the system's store of secrets,
 * if there is one. Nothing of it stands in a log or an error.
 */
import type { Prompts } from '../prompts.ts';
import type { SecretStore } from '../secrets.ts';
import type { LoginSecrets, SecretCallback } from '../ssh/target.ts';

export interface SecretSources {
  readonly secrets: SecretStore;
  readonly prompts: Prompts;
  /** Answers by what they are about; shared by all hosts, so that one key is asked for once. */
  readonly answered: Map<string, string>;
}

export function loginSecrets(host: { hostId: string; name: string }, sources: SecretSources): LoginSecrets {
  const asked = (question: { kind: 'passphrase' | 'password'; about: string; field: string }): SecretCallback => {
    const key = `${question.kind}:${question.about}`;
    return async (wasWrong) => {
      const given = wasWrong ? null : await knownSecret(key, host.hostId, sources);
      if (given !== null) return given;
      sources.answered.delete(key);
      // Kept, and wrong: it would be tried first for ever.
      if (wasWrong) await sources.secrets.delete(key);
      const { kind, about, field } = question;
      const canKeep = sources.secrets.persistent;
      const fields = [{ text: field, echo: false }];
      const answer = await sources.prompts.ask({ kind, about, host: host.name, title: '', fields, wasWrong, canKeep });
      const secret = answer?.answers[0] ?? '';
      if (answer === null || secret === '') throw new Error('no answer');
      sources.answered.set(key, secret);
      if (answer.keep && sources.secrets.persistent) await sources.secrets.set(key, secret);
      return secret;
    };
  };
  return {
    passphrase: (path) => asked({ kind: 'passphrase', about: path, field: 'Passphrase' }),
    password: (login) => asked({ kind: 'password', about: login, field: 'Password' }),
    answer: (login) => async (questions) => {
      const { title, instructions, prompts } = questions;
      const answer = await sources.prompts.ask({
        kind: 'questions',
        about: login,
        host: host.name,
        title: [title, instructions].filter((text) => text !== '').join(': '),
        fields: prompts.map(({ text, echo }) => ({ text, echo })),
        wasWrong: false,
        canKeep: false,
      });
      return answer?.answers ?? null;
    },
  };
}

/** null: none is known. */
async function knownSecret(key: string, hostId: string, sources: SecretSources): Promise<string | null> {
  const { answered, secrets } = sources;
  // What was given for the host itself is its password, or the passphrase of the key that it names.
  return (await secrets.get(hostId)) ?? answered.get(key) ?? (await secrets.get(key));
}
