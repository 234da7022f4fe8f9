/**
 * A gRPC call with one request and a stream of answers, taken from its source only as fast as the client takes them: nothing is asked
 * of the source while an earlier answer waits, no two in one turn of the event loop, and never so fast that other calls would wait long.
 */
import type { ByteBudget } from './byte-budget.ts';
import { FrameReader, frame, GrpcError } from './grpc-frame.ts';
import { grpcCode } from '../machine/errors.ts';
import type { Http2Stream, StreamListener } from './http2/stream.ts';

/** Answers one after the other, until `next` gives null. `close` is called once, whatever the end. */
export interface AnswerSource {
  readonly next: () => Uint8Array | null;
  readonly close: () => void;
}

/** Throws or rejects with GrpcError. */
export type StreamingMethod = (request: Uint8Array) => Promise<AnswerSource>;

/** How an answer is begun and ended. */
export interface AnswerEnds {
  readonly begin: (stream: Http2Stream) => void;
  readonly succeed: (stream: Http2Stream) => void;
  readonly fail: (stream: Http2Stream, error: unknown) => void;
}

export interface StreamingParts {
  readonly method: StreamingMethod;
  readonly ends: AnswerEnds;
  readonly budget: ByteBudget;
  /** Taken from the budget already; given back with the stream. */
  readonly keptBytes: number;
  /** Of the request. */
  readonly maxMessageBytes: number;
}

/** Half of what a node writes its own snapshots with: making them costs the event loop more here. */
const BYTES_PER_MS = (32 << 20) / 1000;

export class StreamingCall implements StreamListener {
  readonly #stream: Http2Stream;
  readonly #parts: StreamingParts;
  readonly #reader: FrameReader;
  #request: Uint8Array | null = null;
  #source: AnswerSource | null = null;
  #isTurnDue = false;
  #sentBytes = 0;
  #beganAtMs = 0;

  constructor(stream: Http2Stream, parts: StreamingParts) {
    this.#stream = stream;
    this.#parts = parts;
    this.#reader = new FrameReader(parts.maxMessageBytes);
  }

  onData(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) {
        if (this.#request) throw new GrpcError(grpcCode.internal, 'this call carries one message');
        this.#request = message;
      }
    } catch (error) {
      this.#parts.ends.fail(this.#stream, error);
    }
  }

  onEnd(): void {
    const { method, ends } = this.#parts;
    if (this.#request === null || this.#reader.isInsideMessage)
      return ends.fail(this.#stream, new GrpcError(grpcCode.internal, 'the request ended before its message'));
    method(this.#request).then(
      (source) => {
        if (!this.#stream.isOpen) return source.close();
        this.#source = source;
        this.#beganAtMs = performance.now();
        ends.begin(this.#stream);
        this.onDrained();
      },
      (error: unknown) => ends.fail(this.#stream, error),
    );
  }

  /** All that was written has left. */
  onDrained(): void {
    if (this.#isTurnDue || this.#source === null) return;
    this.#isTurnDue = true;
    const turn = () => {
      this.#isTurnDue = false;
      this.#sendNext();
    };
    const aheadMs = this.#sentBytes / BYTES_PER_MS - (performance.now() - this.#beganAtMs);
    if (aheadMs < 1) setImmediate(turn);
    else setTimeout(turn, aheadMs);
  }

  onClose(): void {
    this.#parts.budget.give(this.#parts.keptBytes);
    this.#closeSource();
  }

  #sendNext(): void {
    if (this.#source === null || !this.#stream.isOpen) return;
    try {
      const answer = this.#source.next();
      if (answer === null) {
        this.#closeSource();
        return this.#parts.ends.succeed(this.#stream);
      }
      if (answer.length === 0) return this.onDrained();
      this.#sentBytes += answer.length;
      this.#stream.write(frame(answer));
    } catch (error) {
      this.#closeSource();
      this.#parts.ends.fail(this.#stream, error);
    }
  }

  #closeSource(): void {
    this.#source?.close();
    this.#source = null;
  }
}
