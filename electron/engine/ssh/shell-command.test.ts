import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ShellFragment, sh, shellQuote, underPosixShell } from './shell-command.ts';

const nasty = [
  '',
  ' ',
  "it's",
  '"',
  '$(id)',
  '`id`',
  '$HOME',
  '\\',
  "\\'",
  '*',
  'a\nb',
  '-n',
  '!x',
  '~',
  'ä €',
  "''",
  'a;b|c&d>e',
];

describe('shell commands', () => {
  it('gives every word to a real shell unchanged, alone and nested', () => {
    for (const word of nasty) {
      const command = sh`printf %s ${word}`;
      expect(execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' })).toBe(word);
      expect(execFileSync('/bin/sh', ['-c', underPosixShell(command)], { encoding: 'utf8' })).toBe(word);
    }
  });

  it('keeps arrays as one word an element', () => {
    const output = execFileSync('/bin/sh', ['-c', sh`printf '<%s>' ${nasty}`], { encoding: 'utf8' });
    expect(output).toBe(nasty.map((word) => `<${word}>`).join(''));
  });

  it('takes fragments as code and nothing else', () => {
    const fragment = new ShellFragment(sh`echo ${'a b'}`);
    expect(sh`${fragment}; echo ${'; rm -rf /'}`).toBe("echo 'a b'; echo '; rm -rf /'");
  });

  it('refuses what a shell cannot carry', () => {
    expect(() => shellQuote('a\0b')).toThrow(TypeError);
    expect(() => sh`a\0b`).toThrow(TypeError);
  });
});
