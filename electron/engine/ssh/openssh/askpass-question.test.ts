import { describe, expect, it } from 'vitest';
import { readQuestion } from './askpass-question.ts';

// As OpenSSH 9.2p1 writes them.
describe('a question of ssh', () => {
  it.each([
    ["Enter passphrase for key '/home/ops/.ssh/id_ed25519': ", '', 'passphrase', '/home/ops/.ssh/id_ed25519'],
    ["ops@db1's password: ", '', 'password', 'ops@db1'],
    ['(ops@db1) Verification code: ', '', 'question', 'Verification code: '],
    [
      'Enter PIN for ED25519-SK key /home/ops/.ssh/id_ed25519_sk: ',
      '',
      'question',
      'Enter PIN for ED25519-SK key /home/ops/.ssh/id_ed25519_sk: ',
    ],
    [
      'Confirm user presence for key ED25519-SK SHA256:abc',
      'none',
      'notice',
      'Confirm user presence for key ED25519-SK SHA256:abc',
    ],
    ['Are you sure you want to continue connecting (yes/no/[fingerprint])? ', '', 'confirmation', undefined],
    ['Allow it?', 'confirm', 'confirmation', undefined],
  ])('%s', (text, hint, kind, about) => {
    const question = readQuestion(text, hint);
    const { keyPath, login, text: said } = question as Record<string, string | null | undefined>;
    expect([question.kind, keyPath ?? said ?? login ?? undefined]).toEqual([kind, about]);
  });
});
