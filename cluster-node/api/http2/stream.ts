/**
 * One stream of a connection: what the client sends comes to its listener, what is answered waits here for room in the
 * client's windows. Any number of messages may go either way; a unary call is the case of one each.
 */
import type { Output } from './output.ts';
import { errorCode, frameType, MAX_FRAME_BYTES, MAX_WINDOW } from './wire.ts';

export interface StreamListener {
  /** The chunk is part of the block in which it was received; keep a copy where little is kept for long. */
  onData(chunk: Buffer): void;
  /** The client has sent all. */
  onEnd(): void;
  /** All that was written has left. */
  onDrained?(): void;
  /** The stream is over: answered in full, reset, or its connection lost. Called once, and nothing after it. */
  onClose(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly output: Output;
  /** Grows by one each time stalled streams are looked for. */
  readonly round: number;
  /** Bytes that the client takes on the connection. */
  sendWindow: number;
  /** What the client takes on any stream before it grants more; it may change that meanwhile. */
  readonly initialSendWindow: number;
  sendHeaders(streamId: number, block: Buffer, isLast: boolean): void;
  grant(streamId: number, bytes: number): void;
  /** It has more to send than may be sent now. */
  wait(stream: Http2Stream): void;
  /** It is over; `code` goes to the client, null when there is nothing to say. */
  leave(stream: Http2Stream, code: number | null): void;
}

/** What we take on a stream; given back as soon as it has come, because the listener pays for what it keeps. */
export const STREAM_WINDOW = 1 << 20;

const nobody: StreamListener = { onData: () => {}, onEnd: () => {}, onClose: () => {} };

export class Http2Stream {
  readonly id: number;
  readonly #host: StreamHost;
  #listener: StreamListener = nobody;
  #receiveWindow = STREAM_WINDOW;
  /** Granted less sent. */
  #credit = 0;
  #queue: Buffer[] = [];
  /** Of the first in the queue. */
  #sentOfFirst = 0;
  #trailers: Buffer | null = null;
  #hasRequest = false;
  #isAnswered = false;
  #isOpen = true;
  #movedAt: number;

  constructor(host: StreamHost, id: number) {
    this.#host = host;
    this.id = id;
    this.#movedAt = host.round;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }
  /** The client has sent all. */
  get hasRequest(): boolean {
    return this.#hasRequest;
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
  }

  /** Sends headers that more will follow. Blocks come from `headerBlock`. */
  respond(headers: Buffer): void {
    if (this.#isOpen) this.#host.sendHeaders(this.id, headers, false);
  }

  /** Sends a chunk, now or when the client takes it. It must not change and must not be empty. */
  write(chunk: Buffer): void {
    if (!this.#isOpen) return;
    this.#queue.push(chunk);
    this.#pumpOrWait();
  }

  /** Ends the answer after all that was written. Without `respond` before it, the block is all of the answer. */
  end(trailers: Buffer): void {
    if (!this.#isOpen || this.#isAnswered) return;
    this.#isAnswered = true;
    this.#trailers = trailers;
    this.#pumpOrWait();
  }

  /** Ends the stream at once; what was not sent is lost. */
  reset(code: number): void {
    if (this.#isOpen) this.#host.leave(this, code);
  }

  /** For the connection: a DATA frame of this stream; `bytes` with its padding. */
  receive(data: Buffer, bytes: number): void {
    if (this.#hasRequest) return this.reset(errorCode.streamClosed);
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) return this.reset(errorCode.flowControlError);
    this.#movedAt = this.#host.round;
    const used = STREAM_WINDOW - this.#receiveWindow;
    if (used > STREAM_WINDOW / 2) {
      this.#receiveWindow = STREAM_WINDOW;
      this.#host.grant(this.id, used);
    }
    if (data.length > 0) this.#listener.onData(data);
  }

  /** For the connection: the client has sent all. */
  receiveEnd(): void {
    if (!this.#isOpen) return;
    this.#hasRequest = true;
    this.#listener.onEnd();
  }

  /** For the connection: the client takes more. */
  credit(bytes: number): void {
    this.#credit += bytes;
    if (bytes === 0) return this.reset(errorCode.protocolError);
    if (this.#credit + this.#host.initialSendWindow > MAX_WINDOW) this.reset(errorCode.flowControlError);
  }

  /** For the connection: sends what may be sent now. False when something is left. */
  pump(): boolean {
    for (let first = this.#queue[0]; first !== undefined && this.#isOpen; first = this.#queue[0]) {
      const window = Math.min(this.#host.sendWindow, this.#host.initialSendWindow + this.#credit);
      const length = Math.min(first.length - this.#sentOfFirst, window, MAX_FRAME_BYTES);
      if (length <= 0 || !this.#host.output.hasRoom()) return false;
      this.#sendData(first, length);
    }
    if (!this.#isOpen) return true;
    if (this.#trailers === null) this.#listener.onDrained?.();
    else {
      this.#host.sendHeaders(this.id, this.#trailers, true);
      // A client that still sends may stop: it has its answer (RFC 9113, 8.1).
      this.#host.leave(this, this.#hasRequest ? null : errorCode.noError);
    }
    return true;
  }

  /** For the connection: true when the client has neither sent nor taken anything for more than so many rounds. */
  isStalled(rounds: number): boolean {
    const waitsForClient = !this.#hasRequest || this.#queue.length > 0;
    return waitsForClient && this.#host.round - this.#movedAt > rounds;
  }

  /** For the connection. */
  closed(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#queue = [];
    this.#listener.onClose();
  }

  #pumpOrWait(): void {
    if (!this.pump()) this.#host.wait(this);
  }

  #sendData(first: Buffer, length: number): void {
    const from = this.#sentOfFirst;
    this.#host.sendWindow -= length;
    this.#credit -= length;
    this.#movedAt = this.#host.round;
    const payload = length === first.length ? first : first.subarray(from, from + length);
    this.#host.output.frame({ type: frameType.data, flags: 0, streamId: this.id }, payload);
    this.#sentOfFirst = from + length;
    if (this.#sentOfFirst < first.length) return;
    this.#queue.shift();
    this.#sentOfFirst = 0;
  }
}
