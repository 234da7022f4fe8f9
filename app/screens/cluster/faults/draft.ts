/** What the operator draws: a set of directed links, by key, toggled by cell, row or column. Pure. */
import type { Link } from '../../../../electron/contract/model.ts';
import { linkKey, linkOf } from '../topology/links.ts';

export type Draft = ReadonlySet<string>;

export const emptyDraft: Draft = new Set();

export function draftOf(links: readonly Link[]): Draft {
  return new Set(links.map(linkKey));
}

export function linksOf(draft: Draft): Link[] {
  return [...draft].map(linkOf).sort((a, b) => a.from - b.from || a.to - b.to);
}

/** Whether every link is cut in both directions or in none. */
export function isSymmetric(links: readonly Link[]): boolean {
  const draft = draftOf(links);
  return links.every(({ from, to }) => draft.has(linkKey({ from: to, to: from })));
}

/** Cuts what is joined and joins what is cut; `bothWays` takes the way back along. */
export function toggleLink(draft: Draft, link: Link, bothWays: boolean): Draft {
  return setLinks(draft, [link], !draft.has(linkKey(link)), bothWays);
}

/** Cuts all of these links, or joins them when all are cut already. */
export function toggleAll(draft: Draft, links: readonly Link[], bothWays: boolean): Draft {
  return setLinks(draft, links, !links.every((link) => draft.has(linkKey(link))), bothWays);
}

function setLinks(draft: Draft, links: readonly Link[], cut: boolean, bothWays: boolean): Draft {
  const next = new Set(draft);
  for (const { from, to } of links)
    for (const key of bothWays ? [linkKey({ from, to }), linkKey({ from: to, to: from })] : [linkKey({ from, to })])
      if (cut) next.add(key);
      else next.delete(key);
  return next;
}
