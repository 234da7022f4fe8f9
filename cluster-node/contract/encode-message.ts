/**
 * Protobuf messages as bytes. A writer's memory grows by doubling, from little; so one writer is used again and again, which
 * costs a quarter of a new one for each message. Encoding is synchronous and nothing it calls comes back here.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

interface Encoder<T> {
  encode(message: T, writer: BinaryWriter): BinaryWriter;
}

/** A message larger than this does not leave its memory behind. */
const KEPT_BYTES = 64 * 1024;

let writer = new BinaryWriter();

/** `prefix` comes first. The bytes are memory of their own. Throws what the codec throws of a message that it cannot encode. */
export function encodeMessage<T>(codec: Encoder<T>, message: T, prefix?: Uint8Array): Uint8Array {
  let isClean = false;
  try {
    const bytes = codec.encode(message, prefix ? writer.raw(prefix) : writer).finish();
    isClean = bytes.length <= KEPT_BYTES;
    return bytes;
  } finally {
    if (!isClean) writer = new BinaryWriter();
  }
}
