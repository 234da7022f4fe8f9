/** The search of linearizability.ts: depth first, with a stack of its own, since an order may be thousands of operations deep. */
import type { Model, Operation } from './history.ts';

/** What remembering a configuration costs, in questions to the model. */
const STEPS_PER_CONFIGURATION = 20;

export interface SearchResult {
  readonly verdict: 'ok' | 'violation' | 'unknown';
  /** The effort: one for each time the model was asked, and more for each configuration that was remembered. */
  readonly steps: number;
}

/** Indices below the number of completed operations are completed ones (by call), those above are open ones. */
type Place = number;

interface Choice<State> {
  readonly place: Place;
  readonly next: State;
}

interface Frame<State> {
  readonly state: State;
  /** The states before each open operation that was placed since the last completed one. */
  readonly chain: readonly State[];
  /** What was placed to come here; null at the root. */
  readonly placed: Place | null;
  /** What may come next, the most promising last; null until it is looked for. */
  choices: Choice<State>[] | null;
}

export class Search<State extends object, Input, Output> {
  readonly #model: Model<State, Input, Output>;
  readonly #maxSteps: number;
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #completedCount: number;
  readonly #isPlaced: Uint8Array;
  readonly #open: readonly Place[];
  /** The open ones whose effect depends on the state. */
  readonly #openDependent: readonly Place[];
  /** The others, by the label that they lead to. */
  readonly #openByLabel: ReadonlyMap<string, readonly Place[]>;
  readonly #openPlaced = new Set<Place>();
  readonly #seen = new Set<string>();
  /** The first completed operation that is not placed. */
  #low = 0;
  /** One more than the last completed operation that is placed. */
  #high = 0;
  #steps = 0;

  constructor(model: Model<State, Input, Output>, history: readonly Operation<Input, Output>[], maxSteps: number) {
    this.#model = model;
    this.#maxSteps = maxSteps;
    const byCall = history.toSorted((a, b) => a.calledAt - b.calledAt);
    const completed = byCall.filter(({ returned }) => returned !== null);
    this.#operations = [
      ...completed,
      ...byCall.filter(({ input, returned }) => returned === null && !model.onlyReads(input, undefined)),
    ];
    this.#completedCount = completed.length;
    this.#open = this.#operations.flatMap(({ returned }, place) => (returned === null ? place : []));
    this.#openDependent = this.#open.filter((place) => !model.overwrites(this.#operation(place).input));
    const overwriting = this.#open.filter((place) => model.overwrites(this.#operation(place).input));
    this.#openByLabel = Map.groupBy(overwriting, (place) => {
      const after = model.step(model.initial, this.#operation(place).input, undefined);
      return after === null ? '' : model.labelOf(after);
    });
    this.#isPlaced = new Uint8Array(byCall.length);
  }

  run(): SearchResult {
    const stack: Frame<State>[] = [{ state: this.#model.initial, chain: [], placed: null, choices: null }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (this.#low === this.#completedCount) return { verdict: 'ok', steps: this.#steps };
      if (this.#steps >= this.#maxSteps) return { verdict: 'unknown', steps: this.#steps };
      top.choices ??= this.#choices(top);
      const choice = top.choices.pop();
      if (choice === undefined) {
        stack.pop();
        if (top.placed !== null) this.#takeBack(top.placed);
      } else if (this.#enter(choice)) {
        const chain = this.#isOpen(choice.place) ? [...top.chain, top.state] : [];
        stack.push({ state: choice.next, chain, placed: choice.place, choices: null });
      }
    }
    return { verdict: 'violation', steps: this.#steps };
  }

  /** False when the configuration is known to lead nowhere. */
  #enter({ place, next }: Choice<State>): boolean {
    this.#put(place);
    this.#steps += STEPS_PER_CONFIGURATION;
    const key = this.#configurationKey(next);
    if (this.#seen.has(key)) {
      this.#takeBack(place);
      return false;
    }
    this.#seen.add(key);
    return true;
  }

  #choices({ state, chain }: Frame<State>): Choice<State>[] {
    const here = this.#model.keyOf(state);
    const choices: Choice<State>[] = [];
    const candidates: Place[] = [];
    // When an operation must have been called at the latest to come next: nothing unplaced returned before.
    let mustBeCalledBy = Number.POSITIVE_INFINITY;
    for (let place = this.#low; place < this.#completedCount; place++) {
      if (this.#isPlaced[place]) continue;
      const { input, calledAt, returned } = this.#operation(place);
      if (calledAt > mustBeCalledBy || returned === null) break;
      mustBeCalledBy = Math.min(mustBeCalledBy, returned.at);
      candidates.push(place);
      const next = this.#step(state, place);
      if (next === null) continue;
      if (this.#model.onlyReads(input, returned.output) && this.#model.keyOf(next) === here) return [{ place, next }];
      if (!this.#isSameWithout(chain, { place, next })) choices.push({ place, next });
    }
    const open = this.#openChoices({ state, chain }, { candidates, mustBeCalledBy });
    // The choices are taken from the end: open ones last.
    return [...open, ...choices.reverse()];
  }

  #openChoices(
    { state, chain }: Pick<Frame<State>, 'state' | 'chain'>,
    { candidates, mustBeCalledBy }: { readonly candidates: readonly Place[]; readonly mustBeCalledBy: number },
  ): Choice<State>[] {
    const choices: Choice<State>[] = [];
    const here = this.#model.keyOf(state);
    const ledTo = new Set<string | number>();
    const longerChain = [...chain, state];
    for (const place of this.#openThatMayHelp(candidates)) {
      if (this.#isPlaced[place]) continue;
      const { input, calledAt } = this.#operation(place);
      if (calledAt > mustBeCalledBy || (chain.length > 0 && this.#model.overwrites(input))) continue;
      const next = this.#step(state, place);
      if (next === null || this.#isSameWithout(chain, { place, next })) continue;
      const key = this.#model.keyOf(next);
      // Of those that do the same the one called first will do.
      if (key === here || (this.#model.overwrites(input) && ledTo.has(key))) continue;
      if (this.#model.overwrites(input)) ledTo.add(key);
      if (this.#isOfUse(next, longerChain, candidates)) choices.push({ place, next });
    }
    return choices;
  }

  /** Those that lead to what something that can follow needs; all, when that may come out from several states. */
  #openThatMayHelp(candidates: readonly Place[]): readonly Place[] {
    const help = new Set(this.#openDependent);
    for (const place of [...candidates, ...this.#openDependent]) {
      const { input, returned } = this.#operation(place);
      if (this.#isPlaced[place] || this.#model.overwrites(input)) continue;
      const label = this.#model.needs(input, returned?.output);
      if (label === null) return this.#open;
      for (const open of this.#openByLabel.get(label) ?? []) help.add(open);
    }
    return [...help];
  }

  /** Whether something can follow right after `state` that would come out differently without what led there. */
  #isOfUse(state: State, chain: readonly State[], candidates: readonly Place[]): boolean {
    return [...candidates, ...this.#openDependent].some((place) => {
      if (this.#isPlaced[place]) return false;
      const next = this.#step(state, place);
      return next !== null && !this.#isSameWithout(chain, { place, next });
    });
  }

  /** Whether leaving out some of the open operations placed just before would make no difference from here on. */
  #isSameWithout(chain: readonly State[], { place, next }: Choice<State>): boolean {
    return chain.some((before) => {
      const without = this.#step(before, place);
      return without !== null && this.#model.keyOf(without) === this.#model.keyOf(next);
    });
  }

  #step(state: State, place: Place): State | null {
    this.#steps++;
    const { input, returned } = this.#operation(place);
    return this.#model.step(state, input, returned?.output);
  }

  #put(place: Place): void {
    this.#isPlaced[place] = 1;
    if (this.#isOpen(place)) {
      this.#openPlaced.add(place);
      return;
    }
    this.#high = Math.max(this.#high, place + 1);
    while (this.#isPlaced[this.#low] && this.#low < this.#completedCount) this.#low++;
  }

  #takeBack(place: Place): void {
    this.#isPlaced[place] = 0;
    if (this.#isOpen(place)) {
      this.#openPlaced.delete(place);
      return;
    }
    this.#low = Math.min(this.#low, place);
    while (this.#high > 0 && !this.#isPlaced[this.#high - 1]) this.#high--;
  }

  /** Exact, and short where few operations overlap: all below the first unplaced one are placed. */
  #configurationKey(state: State): string {
    let beyond = '';
    for (let place = this.#low + 1; place < this.#high; place++) if (this.#isPlaced[place]) beyond += ` ${place}`;
    const open = [...this.#openPlaced].toSorted((a, b) => a - b).join(' ');
    return `${this.#low}|${beyond}|${open}|${this.#model.keyOf(state)}`;
  }

  #isOpen(place: Place): boolean {
    return place >= this.#completedCount;
  }

  #operation(place: Place): Operation<Input, Output> {
    return this.#operations[place] as Operation<Input, Output>;
  }
}
