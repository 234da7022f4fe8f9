/**
 * Runs a scenario: keeps its comments and input lines, and writes below each input line what happened. The text that comes out
 * is compared with the file, so that a change of the protocol is reviewed as a diff of stories (the idea is that of
 * etcd-io/raft's interaction tests).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { diff } from 'node:util';
import { PAXOS_RULES, type PaxosRules } from '../../cluster-node/paxos/rules.ts';
import { CLUSTER_USAGE, carryOut, parseCluster } from './language.ts';
import { ScenarioCluster } from './scenario-cluster.ts';

const CONTEXT_LINES = 2;

export interface Scenario {
  /** File name without folder. */
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

export function readScenarios(): Scenario[] {
  const names = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.txt'));
  return names.sort().map((name) => {
    const path = join(import.meta.dirname, name);
    return { name, path, text: readFileSync(path, 'utf8') };
  });
}

/** The scenario as it goes now. Throws Error, with file and line, where a line cannot be carried out. */
export function runScenario(name: string, text: string, rules: PaxosRules = PAXOS_RULES): string {
  let cluster: ScenarioCluster | null = null;
  const told: string[] = [];
  for (const [at, line] of text.trimEnd().split('\n').entries()) {
    if (line.startsWith(' ')) continue;
    told.push(line);
    if (line === '' || line.startsWith('#')) continue;
    try {
      cluster = take(line, cluster, rules);
    } catch (cause) {
      throw new Error(`${name}, line ${at + 1}: ${line}: ${(cause as Error).message}`, { cause });
    }
    told.push(...cluster.takeLines().map((happened) => `  ${happened}`));
  }
  return `${told.join('\n')}\n`;
}

function take(line: string, cluster: ScenarioCluster | null, rules: PaxosRules): ScenarioCluster {
  if (cluster !== null) {
    carryOut(line, cluster);
    return cluster;
  }
  const first = parseCluster(line);
  if (first === null) throw new SyntaxError(`a scenario begins with: ${CLUSTER_USAGE}`);
  return new ScenarioCluster(first, rules);
}

/** Where what happens now ("+") differs from what is written ("-"), with a little around it; empty when nowhere. */
export function differences(written: string, now: string): string {
  const lines = diff(now.split('\n'), written.split('\n'));
  const isNear = (at: number) =>
    lines.slice(Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1).some(([change]) => change !== 0);
  const mark = (change: number) => (change === 0 ? ' ' : change > 0 ? '+' : '-');
  return lines.flatMap(([change, line], at) => (isNear(at) ? [`${mark(change)} ${line}`] : [])).join('\n');
}
