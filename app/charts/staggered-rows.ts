/**
 * Live rows for one chart, without jank: a chart follows them only while it is in sight, and at most one chart redraws in a frame.
 * recharts lays out synchronously once it has new data, so eight charts in one commit would hold the page for their sum.
 */
import { type RefObject, useEffect, useMemo, useState } from 'react';
import { useChartTime } from '../live/series.ts';
import type { Store } from '../live/store.ts';
import type { Row } from './rows.ts';

const none: readonly Row[] = [];
const queue = new Map<object, () => void>();
let scheduled = false;

function enqueue(owner: object, draw: () => void): void {
  queue.set(owner, draw);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(drawNext);
}

function drawNext(): void {
  const [first] = queue;
  if (first !== undefined) {
    queue.delete(first[0]);
    first[1]();
  }
  scheduled = queue.size > 0;
  if (scheduled) requestAnimationFrame(drawNext);
}

/** `element`: what must be in sight. None at first, then those of the screen's shared time, a few frames late at most. */
export function useStaggeredRows(element: RefObject<Element | null>): readonly Row[] {
  const { rows, paused } = useChartTime();
  const [drawn, setDrawn] = useState<readonly Row[]>(none);
  const frozen = useMemo(() => (paused ? rows.get() : null), [paused, rows]);
  const inSight = useInSight(element);
  useEffect(() => {
    const owner = {};
    const redraw = () => enqueue(owner, () => setDrawn(rows.get()));
    // Out of sight the history that arrives first is drawn all the same: there may never be a second one.
    const stop = followWhile(inSight, rows, redraw);
    return () => {
      stop();
      queue.delete(owner);
    };
  }, [rows, inSight]);
  return frozen ?? drawn;
}

/** Redraws with every change; when not `following`, once: as soon as there are rows. */
function followWhile(following: boolean, rows: Store<readonly Row[]>, redraw: () => void): () => void {
  if (following || rows.get().length > 0) redraw();
  let stop = () => {};
  const changed = () => {
    redraw();
    if (!following) stop();
  };
  if (following || rows.get().length === 0) stop = rows.subscribe(changed);
  return () => stop();
}

function useInSight(element: RefObject<Element | null>): boolean {
  const [inSight, setInSight] = useState(false);
  useEffect(() => {
    const { current } = element;
    if (current === null) return;
    const observer = new IntersectionObserver((entries) => setInSight(entries.at(-1)?.isIntersecting ?? false), {
      rootMargin: '120px',
    });
    observer.observe(current);
    return () => observer.disconnect();
  }, [element]);
  return inSight;
}
