/** What the operator asked to be previewed, and which operation is looked at. One dialog at a time, mounted by the shell. */
import type { Action } from '../../electron/contract/model.ts';
import { createStore } from '../live/store.ts';

export const requestedAction = createStore<Action | null>(null);
export const openedOperation = createStore<string | null>(null);

/** Opens the preview of an action. The action is fixed from here on: what is shown is what is run. */
export function ask(action: Action): void {
  requestedAction.set(structuredClone(action));
}
