/**
 * Whether one node hears another, by its own word. What counts is when it last heard: a connection stays up for long, and keeps
 * its last round-trip, while everything sent over it is dropped.
 */
import type { NodeSample } from '../../../../electron/contract/model.ts';

/** Peers say something several times within this time, milliseconds. */
export const HEARD_WITHIN_MS = 500;

export function isHeard(peer: Pick<NodeSample['peers'][number], 'heardMsAgo'>): boolean {
  return peer.heardMsAgo !== null && peer.heardMsAgo <= HEARD_WITHIN_MS;
}
