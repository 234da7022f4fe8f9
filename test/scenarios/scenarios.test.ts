import { describe, expect, it } from 'vitest';
import { PAXOS_RULES } from '../../cluster-node/paxos/rules.ts';
import { differences, readScenarios, runScenario } from './run-scenario.ts';

const scenarios = readScenarios();
const HIGHEST = 'phase-1-highest-ballot-binds.txt';

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

  it('goes otherwise when the highest accepted ballot does not bind', () => {
    const rules = { ...PAXOS_RULES, binding: (known: object | undefined, reported: object) => known ?? reported };
    const now = runScenario(HIGHEST, textOf(HIGHEST), rules as typeof PAXOS_RULES);
    expect(differences(textOf(HIGHEST), now)).toContain('+   4 writes slot 1 "older" under 3.4');
  });

  it('goes the same way every time', () => {
    for (const { name, text } of scenarios) expect(runScenario(name, text)).toBe(runScenario(name, text));
  });

  it('with a line that is no sentence is refused with all sentences', () => {
    expect(() => runScenario('a.txt', 'cluster 3\njump 1\n')).toThrow(
      /a.txt, line 2: jump 1: no such sentence[^]*tick 100ms/,
    );
    expect(() => runScenario('a.txt', 'tick 10ms\n')).toThrow(/begins with: cluster 3/);
    expect(() => runScenario('a.txt', 'cluster 3\ncrash 7\n')).toThrow(/there is no node 7/);
  });
});
