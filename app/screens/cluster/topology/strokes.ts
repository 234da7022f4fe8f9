import type { LinkState } from './links.ts';

/** How each state of a link is drawn: by pattern as well as by colour. */
export const strokes: Record<LinkState, { colour: string; width: number; dash: string; opacity: number }> = {
  up: { colour: 'var(--color-edge)', width: 1.6, dash: 'none', opacity: 1 },
  down: { colour: 'var(--color-bad)', width: 1.6, dash: '1 5', opacity: 0.9 },
  stopped: { colour: 'var(--color-faint)', width: 1.2, dash: '1 6', opacity: 0.6 },
  cut: { colour: 'var(--color-fault)', width: 1.8, dash: '5 4', opacity: 1 },
  unknown: { colour: 'var(--color-unknown)', width: 1.2, dash: '2 7', opacity: 0.6 },
};
