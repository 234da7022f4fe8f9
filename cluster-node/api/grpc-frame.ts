/**
 * gRPC's framing of messages in an HTTP/2 body (gRPC over HTTP/2, "Length-Prefixed-Message"): a byte that says whether the
 * message is compressed, its length in four bytes, the message.
 */
import { grpcCode } from '../machine/errors.ts';

const PREFIX_BYTES = 5;

/** A call that ends with a status other than OK. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  /** gRPC status code. */
  readonly code: number;
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The prefix and the message behind it. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  writePrefix(framed, message);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** For a message that is too large to be copied: it follows by itself. */
export function prefixOf(message: Uint8Array): Buffer {
  return writePrefix(Buffer.allocUnsafe(PREFIX_BYTES), message);
}

function writePrefix(to: Buffer, message: Uint8Array): Buffer {
  to[0] = 0;
  to.writeUInt32BE(message.length, 1);
  return to;
}

/** Cuts a body, chunk by chunk, into messages of at most `maxMessageBytes`. */
export class FrameReader {
  readonly #maxMessageBytes: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** True when a message has begun and not ended. */
  get isInsideMessage(): boolean {
    return this.#pendingBytes > 0;
  }

  /** The messages that `chunk` completes; they may share its memory. Throws GrpcError. */
  push(chunk: Buffer): Uint8Array[] {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    const messages: Uint8Array[] = [];
    for (let message = this.#next(); message; message = this.#next()) messages.push(message);
    this.#unshare();
    return messages;
  }

  /** What waits for more must not keep the much larger block alive in which it came. */
  #unshare(): void {
    const last = this.#pending.at(-1);
    if (last === undefined || last.length * 2 > last.buffer.byteLength) return;
    const copy = Buffer.allocUnsafeSlow(last.length);
    copy.set(last);
    this.#pending[this.#pending.length - 1] = copy;
  }

  #next(): Uint8Array | null {
    if (this.#pendingBytes < PREFIX_BYTES) return null;
    const first = this.#pending[0];
    if (first === undefined || first.length < PREFIX_BYTES) this.#join();
    const head = this.#pending[0] as Buffer;
    if (head[0] !== 0) throw new GrpcError(grpcCode.unimplemented, 'grpc: compressed messages are not supported');
    const length = head.readUInt32BE(1);
    if (length > this.#maxMessageBytes)
      throw new GrpcError(
        grpcCode.resourceExhausted,
        `grpc: received message larger than max (${length} vs. ${this.#maxMessageBytes})`,
      );
    const end = PREFIX_BYTES + length;
    if (this.#pendingBytes < end) return null;
    if (head.length < end) this.#join();
    const whole = this.#pending[0] as Buffer;
    this.#pending = whole.length > end ? [whole.subarray(end), ...this.#pending.slice(1)] : this.#pending.slice(1);
    this.#pendingBytes -= end;
    return whole.subarray(PREFIX_BYTES, end);
  }

  #join(): void {
    this.#pending = [Buffer.concat(this.#pending, this.#pendingBytes)];
  }
}

/** grpc-message: percent-encoded UTF-8, printable ASCII but "%" left as it is. */
export function encodeGrpcMessage(text: string): string {
  return text.replace(/[^ -$&-~]+/gu, (part) =>
    Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

const timeoutUnitsMs: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** The header grpc-timeout in milliseconds; null when absent or not of its form. */
export function parseGrpcTimeout(header: string | undefined): number | null {
  const match = header === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(header);
  return match ? Number(match[1]) * (timeoutUnitsMs[match[2] ?? ''] ?? 1) : null;
}
