/**
 * Partitions as sets of directed links, computed from member slots alone. Each node drops what it would send on a cut link
 * and what arrives on one, so a link stays cut as long as one of its two ends holds the fault.
 */
import type { Link } from '../../../../cluster-node/contract/fault.ts';

/** Every link between members of different groups, both ways. Members in no group keep all their links. */
export function between(groups: readonly (readonly number[])[]): Link[] {
  return groups.flatMap((group, at) =>
    groups.flatMap((other, otherAt) =>
      at === otherAt ? [] : group.flatMap((from) => other.map((to) => ({ from, to }))),
    ),
  );
}

/** Cuts one member off from all others. */
export function isolate(one: number, members: readonly number[]): Link[] {
  return between([[one], members.filter((member) => member !== one)]);
}

/** Two halves; with an odd number the first has one more. */
export function halves(members: readonly number[]): Link[] {
  const middle = Math.ceil(members.length / 2);
  return between([members.slice(0, middle), members.slice(middle)]);
}

/** The leader alone with as many as fit in a minority, against the majority. */
export function leaderInMinority(leader: number, members: readonly number[]): Link[] {
  const others = members.filter((member) => member !== leader);
  const company = Math.ceil(members.length / 2) - 2;
  return between([[leader, ...others.slice(0, Math.max(0, company))], others.slice(Math.max(0, company))]);
}

/** Two halves that only `over` still reaches, from both. */
export function bridge(over: number, members: readonly number[]): Link[] {
  return halves(members.filter((member) => member !== over));
}

/** Every member reaches a majority, and no two the same one: each keeps its nearest neighbours on a ring. */
export function majoritiesRing(members: readonly number[]): Link[] {
  const count = members.length;
  const reach = Math.ceil(Math.floor(count / 2) / 2);
  return members.flatMap((from, at) =>
    members.flatMap((to, otherAt) => {
      const apart = Math.min((at - otherAt + count) % count, (otherAt - at + count) % count);
      return apart > reach ? [{ from, to }] : [];
    }),
  );
}

/** Nothing that `from` sends arrives; what the others send to it does. */
export function mute(from: number, members: readonly number[]): Link[] {
  return members.filter((member) => member !== from).map((to) => ({ from, to }));
}
