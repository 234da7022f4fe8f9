import { describe, expect, it } from 'vitest';
import { draftOf, emptyDraft, isSymmetric, linksOf, toggleAll, toggleLink } from './draft.ts';
import { stepOver } from './step-over.ts';

const link = { from: 1, to: 2 };

describe('drawing', () => {
  it('toggles one direction or both', () => {
    expect(linksOf(toggleLink(emptyDraft, link, false))).toEqual([link]);
    const both = toggleLink(emptyDraft, link, true);
    expect(linksOf(both)).toEqual([link, { from: 2, to: 1 }]);
    expect(linksOf(toggleLink(both, link, true))).toEqual([]);
    expect(linksOf(toggleLink(both, link, false))).toEqual([{ from: 2, to: 1 }]);
  });

  it('cuts a whole row unless it is cut already', () => {
    const row = [link, { from: 1, to: 3 }];
    const half = toggleLink(emptyDraft, link, false);
    const full = toggleAll(half, row, false);
    expect(linksOf(full)).toEqual(row);
    expect(linksOf(toggleAll(full, row, false))).toEqual([]);
  });

  it('knows a symmetric cut', () => {
    expect(isSymmetric([link, { from: 2, to: 1 }])).toBe(true);
    expect(isSymmetric([link])).toBe(false);
    expect(linksOf(draftOf([link, link]))).toEqual([link]);
  });
});

describe('moving by arrow keys', () => {
  it('steps over the diagonal and holds at the edges', () => {
    expect(stepOver({ row: 0, column: 1 }, [1, 0], 3)).toEqual({ row: 2, column: 1 });
    expect(stepOver({ row: 0, column: 1 }, [0, -1], 3)).toEqual({ row: 0, column: 1 });
    expect(stepOver({ row: 0, column: 1 }, [0, 1], 3)).toEqual({ row: 0, column: 2 });
    expect(stepOver({ row: 2, column: 1 }, [0, 1], 3)).toEqual({ row: 2, column: 1 });
  });
});
