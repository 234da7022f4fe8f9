/**
 * What happened, line by line. Nodes that do the same, one after the other, are told of together: when node 3 does all that
 * node 2 has just done, in the same words, each line names both.
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';

/** What one node, or several alike, did before another one did something. */
interface Run {
  readonly atMs: number;
  readonly members: MemberSlot[];
  readonly texts: string[];
}

export class Story {
  #runs: Run[] = [];
  #toldMs = 0;

  add(member: MemberSlot, text: string, atMs: number): void {
    const last = this.#runs.at(-1);
    if (last?.atMs === atMs && last.members.length === 1 && last.members[0] === member) last.texts.push(text);
    else {
      this.#join();
      this.#runs.push({ atMs, members: [member], texts: [text] });
    }
  }

  forget(atMs: number): void {
    this.#runs = [];
    this.#toldMs = atMs;
  }

  /** All lines since the last call. */
  take(): string[] {
    this.#join();
    const lines: string[] = [];
    for (const { atMs, members, texts } of this.#runs.splice(0)) {
      if (atMs > this.#toldMs) lines.push(`@${atMs}ms`);
      this.#toldMs = atMs;
      lines.push(...texts.map((text) => lineOf(members, text)));
    }
    return lines;
  }

  /** The last run is complete: it may be the same as the one before. */
  #join(): void {
    const [before, last] = this.#runs.slice(-2);
    if (before === undefined || last === undefined || before.atMs !== last.atMs) return;
    if (before.texts.join('\n') !== last.texts.join('\n')) return;
    before.members.push(...last.members);
    this.#runs.pop();
  }
}

/** "2,3 write …": a verb loses its s. */
function lineOf(members: readonly MemberSlot[], text: string): string {
  const told = members.length === 1 ? text : text.replace(/^ ([a-z]+)s\b/, ' $1');
  return `${members.join(',')}${told}`;
}
