/** gRPC's framing in a stream of answers: a byte that says whether a message is compressed, its length in four bytes, the message. */
const PREFIX_BYTES = 5;
/** A node's answers have some 64 KiB. */
const MAX_MESSAGE_BYTES = 4 << 20;

/** Throws RangeError when a message is too long or compressed, or the last one is cut off, and what reading throws. */
export async function* messagesIn(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= PREFIX_BYTES) {
      const length = rest.readUInt32BE(1);
      if (rest[0] !== 0 || length > MAX_MESSAGE_BYTES) throw new RangeError('what came is no message of this call');
      const end = PREFIX_BYTES + length;
      if (rest.length < end) break;
      yield rest.subarray(PREFIX_BYTES, end);
      rest = rest.subarray(end);
    }
  }
  if (rest.length > 0) throw new RangeError('the last message is cut off');
}
