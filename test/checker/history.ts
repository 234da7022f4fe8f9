/** What the checker is given: the history that clients saw, and what one copy of the data would do. */

/** What one copy of the data would do. States are values: never changed in place. */
export interface Model<State extends object, Input, Output> {
  readonly initial: State;
  /**
   * The state after `input` came out as `output`, or null when it cannot come out so from `state`. With `output` undefined
   * nobody knows how it came out: then the state after it took effect, null when it can have had none from here.
   */
  step(state: State, input: Input, output: Output | undefined): State | null;
  /** Whether an operation that came out so changes nothing, whatever the state. */
  onlyReads(input: Input, output: Output | undefined): boolean;
  /** Whether the state afterwards is the same from whatever state it took effect. */
  overwrites(input: Input): boolean;
  /** What reads tell states apart by: a coarse view of the state. */
  labelOf(state: State): string;
  /** The only label from which the operation can come out so; null when there are several. */
  needs(input: Input, output: Output | undefined): string | null;
  /** Equal for equal states only. */
  keyOf(state: State): string | number;
  /** In words, for explanations. */
  describe(input: Input, output: Output | undefined): string;
}

/** What a client asked and was answered. A request that certainly had no effect does not belong into a history. */
export interface Operation<Input, Output> {
  readonly client: number;
  readonly input: Input;
  /** On any clock that all clients share. Operations that only touch at one moment count as concurrent. */
  readonly calledAt: number;
  /** null: the outcome is unknown, so it may take effect at any time after its call, or never. */
  readonly returned: { readonly at: number; readonly output: Output } | null;
}
