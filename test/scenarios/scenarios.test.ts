import { describe, expect, it } from 'vitest';
import { PAXOS_RULES, type PaxosRules } from '../../cluster-node/paxos/rules.ts';
import { SENTENCES } from './language.ts';
import { differences, readScenarios, runScenario } from './run-scenario.ts';

const scenarios = readScenarios();
const HIGHEST = 'phase-1-highest-ballot-binds.txt';

/** What happens, or why it cannot go on. */
function outcome(name: string, rules: PaxosRules): string {
  try {
    return runScenario(name, textOf(name), rules);
  } catch (error) {
    return String(error);
  }
}

function textOf(name: string): string {
  return scenarios.find((scenario) => scenario.name === name)?.text ?? '';
}

describe('scenarios go as they are written; `npm run scenarios -- --rewrite` writes them anew, as', () => {
  it.each(scenarios)('$name', ({ name, text }) => {
    expect(differences(text, runScenario(name, text))).toBe('');
  });
});

describe('a scenario', () => {
  it('that says something else than what happens is told with the lines that differ, and a little around them', () => {
    const text = textOf(HIGHEST);
    const changed = text.replace('4 writes slot 1 "newer" under 3.4', '4 writes slot 1 "older" under 3.4');
    expect(differences(changed, runScenario(HIGHEST, changed)).split('\n')).toEqual([
      '    3->4 promise 3.4: slot 1 "newer" under 2.2; decided 0',
      '    4 LEADS under 3.4 from slot 1 on',
      '+   4 writes slot 1 "newer" under 3.4',
      '-   4 writes slot 1 "older" under 3.4',
      '    4->1,3 accept 3.4: slot 1 "newer"; decided 0',
      '    4->1,3 notice 3.4: decided 0',
    ]);
  });

  it('changes when a rule that it is about is broken', () => {
    const broken: Record<string, Partial<PaxosRules>> = {
      'phase-1-highest-ballot-binds.txt': { binding: (known, reported) => known ?? reported },
      'promise-waits-for-disk.txt': { isVow: () => false },
      'corrupt-record.txt': { mayHide: () => false },
      'reconfiguration-remove.txt': { isLast: () => false },
      'lease-read.txt': { isVowInForce: () => false },
      'read-index.txt': { confirmingRound: () => 0 },
      'duel.txt': { mayAccept: () => true },
    };
    for (const [name, rule] of Object.entries(broken))
      expect(differences(textOf(name), outcome(name, { ...PAXOS_RULES, ...rule })), name).not.toBe('');
  });

  it('goes the same way every time', () => {
    for (const { name, text } of scenarios) expect(runScenario(name, text)).toBe(runScenario(name, text));
  });

  it('shows, together with the others, every sentence of the language', () => {
    const lines = scenarios.flatMap(({ text }) => text.split('\n'));
    const unused = SENTENCES.filter(({ pattern }) => !lines.some((line) => pattern.test(line)));
    expect(unused.map(({ usage }) => usage)).toEqual([]);
  });

  it('with a line that is no sentence is refused with all sentences', () => {
    expect(() => runScenario('a.txt', 'cluster 3\njump 1\n')).toThrow(
      /a.txt, line 2: jump 1: no such sentence[^]*tick 100ms/,
    );
    expect(() => runScenario('a.txt', 'tick 10ms\n')).toThrow(/begins with: cluster 3/);
    expect(() => runScenario('a.txt', 'cluster 3\ncrash 7\n')).toThrow(/there is no node 7/);
  });
});
