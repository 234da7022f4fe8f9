/** What the operator asked to be previewed, and which operation is looked at. One dialog at a time, mounted by the shell. */
import type { Action } from '../../electron/contract/model.ts';
import { createStore } from '../live/store.ts';

/** An action that is being previewed; `opening` tells two openings of the same action apart. */
export interface RequestedAction {
  readonly action: Action;
  readonly opening: number;
}

export const requestedAction = createStore<RequestedAction | null>(null);
export const openedOperation = createStore<string | null>(null);

/** Opens the preview of an action. The action is fixed from here on: what is shown is what is run. */
export function ask(action: Action): void {
  openings += 1;
  requestedAction.set({ action: structuredClone(action), opening: openings });
}

let openings = 0;
