/**
 * The door for client requests that another node took in. A decided value that no node can decode would end every node of the
 * cluster when they apply it, and again at each start; so what comes from elsewhere is decoded before it is proposed. What a
 * node proposes of its own it has just encoded, and what a leader sends has come through this door there.
 */
import type { Forward } from '../contract/peer.ts';
import { decodeCommand } from '../machine/command.ts';

/** The peer protocol's bound of one value in bytes. */
export const MAX_VALUE_BYTES = 2 * 1024 * 1024;

/** Why a forwarded request must not be proposed; null when it may be. */
export function flawOf({ request, value }: Forward): string | null {
  if (value.length > MAX_VALUE_BYTES)
    return `its value has ${value.length} bytes; at most ${MAX_VALUE_BYTES} are allowed`;
  try {
    const { request: inside, acknowledgedBelow } = decodeCommand(value);
    if (acknowledgedBelow > inside.sequence) return 'it calls requests finished that are later than itself';
    const isSame =
      inside.origin === request.origin && inside.boot === request.boot && inside.sequence === request.sequence;
    return isSame ? null : 'the request that it names is not the one in its value';
  } catch (error) {
    return (error as Error).message;
  }
}
