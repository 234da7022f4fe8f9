import { createStore } from '../live/store.ts';

/** The group of lines (a member slot) that stands out in every chart; null: all alike. */
export const highlightedGroup = createStore<number | null>(null);
