/**
 * Partitions that are worth drawing, as sets of directed links. Pure: member slots in, links out. Names follow the literature
 * (Jepsen's nemeses; Ng et al., "Omni-Paxos: Breaking the Barriers of Partial Connectivity", 2023).
 */
import type { Link } from '../../../../electron/contract/model.ts';

type Slots = readonly number[];

function linksWhere(slots: Slots, isCut: (from: number, to: number) => boolean): Link[] {
  return slots.flatMap((from) => slots.filter((to) => to !== from && isCut(from, to)).map((to) => ({ from, to })));
}

/** Two sides that do not hear each other. */
export function split(slots: Slots, side: Slots): Link[] {
  const inside = new Set(side);
  return linksWhere(slots, (from, to) => inside.has(from) !== inside.has(to));
}

export function isolate(slots: Slots, target: number): Link[] {
  return split(slots, [target]);
}

/** The leader (0: none) stands in the smaller half. */
export function halves(slots: Slots, leader: number): Link[] {
  const first = slots.filter((slot) => slot !== leader);
  const order = leader === 0 ? [...slots] : [...first, leader];
  return split(slots, order.slice(Math.ceil(slots.length / 2)));
}

/** What the target sends is lost; it still hears the others. */
export function mute(slots: Slots, target: number): Link[] {
  return linksWhere(slots, (from) => from === target);
}

/** The target hears nobody; the others still hear it. */
export function deafen(slots: Slots, target: number): Link[] {
  return linksWhere(slots, (_, to) => to === target);
}

/** Two sides that hear each other only by way of one node, which hears all. */
export function bridge(slots: Slots, middle: number): Link[] {
  const others = slots.filter((slot) => slot !== middle);
  const left = new Set(others.slice(0, Math.ceil(others.length / 2)));
  return linksWhere(slots, (from, to) => from !== middle && to !== middle && left.has(from) !== left.has(to));
}

/** Every node hears a majority, and no two the same one. Empty below four nodes: there is nothing to cut. */
export function ringOfMajorities(slots: Slots): Link[] {
  const count = slots.length;
  const near = Math.ceil(Math.floor(count / 2) / 2);
  return linksWhere(slots, (from, to) => {
    const apart = Math.abs(slots.indexOf(from) - slots.indexOf(to));
    return Math.min(apart, count - apart) > near;
  });
}

/** Every node hears only the ones beside it. */
export function chain(slots: Slots): Link[] {
  return linksWhere(slots, (from, to) => Math.abs(slots.indexOf(from) - slots.indexOf(to)) > 1);
}
