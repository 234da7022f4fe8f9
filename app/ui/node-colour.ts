/** The colour of a node, the same on every screen and for as long as the cluster lives: it hangs on the member slot. */
export function nodeColour(memberSlot: number): string {
  return `var(--color-n${((Math.max(1, memberSlot) - 1) % 9) + 1})`;
}
