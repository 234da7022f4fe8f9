/**
 * The server's side of one HTTP/2 connection (RFC 9113), as small as gRPC allows: no push, no priorities, no informational
 * answers. It keeps the connection's rules and hands each request to its owner as a stream.
 *
 * A client can make it keep little: one unfinished frame, one header block, `MAX_UNSENT_BYTES` that it does not read, its
 * streams (1024). What streams keep is counted by their listeners. Each way to make it work for nothing ends in a GOAWAY with
 * ENHANCE_YOUR_CALM: streams reset one after the other, header blocks without end, acknowledgements that nobody reads.
 */
import type { Socket } from 'node:net';
import { FrameInput } from './frame-input.ts';
import { noTable } from './header-block.ts';
import { HeaderDecoder, type RequestHeaders } from './header-decoder.ts';
import { Output } from './output.ts';
import { ResetAllowance } from './reset-allowance.ts';
import { encodeSettings, readSettings, SETTING_BYTES } from './settings.ts';
import { Http2Stream, STREAM_WINDOW, type StreamHost } from './stream.ts';
import {
  broken,
  ConnectionError,
  DEFAULT_WINDOW,
  errorCode,
  expectForm,
  type Frame,
  flag,
  frameType,
  MAX_WINDOW,
  uint32,
  withoutPadding,
} from './wire.ts';

const MAX_STREAMS = 1024;
const CONNECTION_WINDOW = 4 << 20;
/** Of one list of headers, and of the block that it is read from. */
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_UNSENT_BYTES = 1 << 20;
/** So many of the streams that we have ended are known, because the client may not have heard of it. */
const MAX_ENDED = 1024;
/** A connection that was told to go may read why for so long. */
const LINGER_MS = 1000;
const NOTHING = Buffer.alloc(0);

export interface ConnectionOptions {
  /** HTTP/2 has begun: the client's settings have come. */
  readonly onReady: () => void;
  readonly onStream: (stream: Http2Stream, headers: RequestHeaders) => void;
}

export class Http2Connection implements StreamHost {
  readonly output: Output;
  round = 0;
  sendWindow = DEFAULT_WINDOW;
  initialSendWindow = DEFAULT_WINDOW;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #input = new FrameInput(MAX_HEADER_BYTES, (frame) => this.#onFrame(frame));
  readonly #decoder = new HeaderDecoder(MAX_HEADER_BYTES);
  readonly #resets = new ResetAllowance();
  readonly #streams = new Map<number, Http2Stream>();
  readonly #waiting = new Set<Http2Stream>();
  /** Ended by us before the client had sent all. */
  readonly #ended = new Set<number>();
  #lastStreamId = 0;
  #receiveWindow = CONNECTION_WINDOW;
  #hasSettings = false;
  #mustSayNoTable = false;
  #mayPump = false;
  #isClosing = false;
  #isOver = false;
  #writtenAt = 0;

  /** The socket is past the client's preface and not yet read from. */
  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.output = new Output(socket, () => this.#onWritten());
    this.#sendSettings();
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => this.#end());
  }

  /** Nothing comes of it any more; its socket may still have something to send. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** No new streams; the connection ends once those under way are answered. */
  close(): void {
    if (this.#isClosing || this.#isOver) return;
    this.#isClosing = true;
    this.#sendGoaway(errorCode.noError, '');
    this.#endIfDone();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#end();
  }

  /** Resets streams on which nothing has moved since more than so many calls, and ends a connection that reads nothing. */
  resetStalled(rounds: number): void {
    this.round++;
    if (this.#socket.writableLength === 0) this.#writtenAt = this.round;
    if (this.round - this.#writtenAt > rounds) return this.destroy();
    for (const stream of this.#streams.values()) if (stream.isStalled(rounds)) stream.reset(errorCode.cancel);
  }

  sendHeaders(streamId: number, block: Buffer, isLast: boolean): void {
    const flags = flag.endHeaders | (isLast ? flag.endStream : 0);
    const payload = this.#mustSayNoTable ? Buffer.concat([noTable, block]) : block;
    this.#mustSayNoTable = false;
    this.output.frame({ type: frameType.headers, flags, streamId }, payload);
  }

  grant(streamId: number, bytes: number): void {
    this.output.frame({ type: frameType.windowUpdate, flags: 0, streamId }, uint32(bytes));
  }

  wait(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  leave(stream: Http2Stream, code: number | null): void {
    if (code !== null) this.#resetStream(stream.id, code);
    if (!stream.hasRequest) this.#remember(stream.id);
    this.#forget(stream);
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#input.push(chunk);
      if (this.output.unsent > MAX_UNSENT_BYTES)
        throw new ConnectionError(errorCode.enhanceYourCalm, 'too much is sent and too little read');
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#fail(error);
    }
    if (this.#mayPump) this.#pump();
  }

  #onFrame(frame: Frame): void {
    if (!this.#hasSettings && (frame.type !== frameType.settings || frame.flags & flag.ack))
      throw broken('the first frame is not SETTINGS');
    switch (frame.type) {
      case frameType.data:
        return this.#onData(frame);
      case frameType.headers:
        return this.#onHeaders(frame);
      case frameType.priority:
        return this.#onPriority(frame);
      case frameType.rstStream:
        return this.#onReset(frame);
      case frameType.settings:
        return this.#onSettings(frame);
      case frameType.pushPromise:
        throw broken('a client cannot push');
      case frameType.ping:
        return this.#onPing(frame);
      case frameType.goaway:
        return expectForm(frame, { isOfStream: false, bytes: Math.max(8, frame.payload.length) });
      case frameType.windowUpdate:
        return this.#onWindowUpdate(frame);
    }
    // Other types are extensions: not understood, and therefore nothing (4.1).
  }

  #onData(frame: Frame): void {
    const { streamId, flags } = frame;
    const bytes = frame.payload.length;
    this.#expectKnown(streamId);
    this.#takeWindow(bytes);
    const data = withoutPadding(frame);
    const stream = this.#streams.get(streamId);
    if (!stream) {
      // The client may not have heard of its end yet.
      if (!this.#ended.has(streamId)) this.#resetStream(streamId, errorCode.streamClosed);
      return;
    }
    stream.receive(data, bytes);
    if (flags & flag.endStream) stream.receiveEnd();
  }

  #onHeaders({ streamId, flags, payload }: Frame): void {
    if (streamId % 2 === 0) throw broken('a client opens streams with odd numbers');
    const isLast = (flags & flag.endStream) !== 0;
    if (streamId <= this.#lastStreamId) {
      this.#decoder.fields(payload);
      return this.#onTrailers(streamId, isLast);
    }
    const headers = this.#decoder.request(payload);
    this.#lastStreamId = streamId;
    if (!headers) return this.#refuse(streamId, errorCode.protocolError);
    if (this.#isClosing || this.#streams.size >= MAX_STREAMS) return this.#refuse(streamId, errorCode.refusedStream);
    const stream = new Http2Stream(this, streamId);
    this.#streams.set(streamId, stream);
    this.#options.onStream(stream, headers);
    if (isLast) stream.receiveEnd();
  }

  #onTrailers(streamId: number, isLast: boolean): void {
    const stream = this.#streams.get(streamId);
    if (!stream) {
      if (this.#ended.has(streamId)) return;
      throw new ConnectionError(errorCode.streamClosed, `headers on stream ${streamId}, which is over`);
    }
    if (stream.hasRequest) stream.reset(errorCode.streamClosed);
    else if (isLast) stream.receiveEnd();
    else stream.reset(errorCode.protocolError);
  }

  #onPriority({ streamId, payload }: Frame): void {
    if (streamId === 0) throw broken('a priority of no stream');
    if (payload.length !== 5) this.#resetStream(streamId, errorCode.frameSizeError);
  }

  #onReset(frame: Frame): void {
    expectForm(frame, { isOfStream: true, bytes: 4 });
    this.#expectKnown(frame.streamId);
    this.#ended.delete(frame.streamId);
    const stream = this.#streams.get(frame.streamId);
    if (!stream) return;
    this.#resets.take();
    this.#forget(stream);
  }

  #onSettings(frame: Frame): void {
    const { flags, payload } = frame;
    if (flags & flag.ack) return expectForm(frame, { isOfStream: false, bytes: 0 });
    expectForm(frame, { isOfStream: false, bytes: payload.length - (payload.length % SETTING_BYTES) });
    const { streamWindow, hasTableSize } = readSettings(payload);
    this.initialSendWindow = streamWindow ?? this.initialSendWindow;
    if (hasTableSize) this.#mustSayNoTable = true;
    this.output.frame({ type: frameType.settings, flags: flag.ack, streamId: 0 }, NOTHING);
    this.#mayPump = true;
    if (this.#hasSettings) return;
    this.#hasSettings = true;
    this.#options.onReady();
  }

  #onPing(frame: Frame): void {
    expectForm(frame, { isOfStream: false, bytes: 8 });
    if ((frame.flags & flag.ack) === 0)
      this.output.frame({ type: frameType.ping, flags: flag.ack, streamId: 0 }, frame.payload);
  }

  #onWindowUpdate(frame: Frame): void {
    const { streamId, payload } = frame;
    expectForm(frame, { isOfStream: streamId !== 0, bytes: 4 });
    const bytes = payload.readUInt32BE(0) & MAX_WINDOW;
    this.#mayPump = true;
    if (streamId !== 0) {
      this.#expectKnown(streamId);
      this.#streams.get(streamId)?.credit(bytes);
      return;
    }
    if (bytes === 0) throw broken('a window grows by nothing');
    this.sendWindow += bytes;
    if (this.sendWindow > MAX_WINDOW)
      throw new ConnectionError(errorCode.flowControlError, 'the window of the connection is too large');
  }

  /** Given back at half: what streams keep is counted elsewhere. */
  #takeWindow(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0)
      throw new ConnectionError(errorCode.flowControlError, 'more was sent than the window of the connection takes');
    const used = CONNECTION_WINDOW - this.#receiveWindow;
    if (used < CONNECTION_WINDOW / 2) return;
    this.#receiveWindow = CONNECTION_WINDOW;
    this.grant(0, used);
  }

  #expectKnown(streamId: number): void {
    if (streamId % 2 === 0 || streamId > this.#lastStreamId) throw broken(`stream ${streamId} was not opened`);
  }

  #refuse(streamId: number, code: number): void {
    this.#resetStream(streamId, code);
    this.#remember(streamId);
  }

  /** Costs the client of its allowance where it was its fault: it can make us reset as well as reset (CVE-2025-8671). */
  #resetStream(streamId: number, code: number): void {
    this.output.frame({ type: frameType.rstStream, flags: 0, streamId }, uint32(code));
    if (code !== errorCode.noError && code !== errorCode.cancel && code !== errorCode.refusedStream)
      this.#resets.take();
  }

  #remember(streamId: number): void {
    this.#ended.add(streamId);
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  #forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    stream.closed();
    this.#endIfDone();
  }

  #onWritten(): void {
    this.#writtenAt = this.round;
    this.#pump();
  }

  /** Each in turn, and the ones that still have more at the end of the queue. */
  #pump(): void {
    this.#mayPump = false;
    if (this.#waiting.size === 0 || this.#isOver) return;
    const waiting = Array.from(this.#waiting);
    this.#waiting.clear();
    for (const stream of waiting) if (!stream.pump()) this.#waiting.add(stream);
  }

  #sendSettings(): void {
    const payload = encodeSettings({
      streams: MAX_STREAMS,
      streamWindow: STREAM_WINDOW,
      headerBytes: MAX_HEADER_BYTES,
    });
    this.output.frame({ type: frameType.settings, flags: 0, streamId: 0 }, payload);
    this.grant(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
  }

  #sendGoaway(code: number, reason: string): void {
    const payload = Buffer.concat([uint32(this.#lastStreamId), uint32(code), Buffer.from(reason)]);
    this.output.frame({ type: frameType.goaway, flags: 0, streamId: 0 }, payload);
  }

  #fail(error: ConnectionError): void {
    this.#sendGoaway(error.code, error.message);
    this.#finish();
  }

  #endIfDone(): void {
    if (this.#isClosing && !this.#isOver && this.#streams.size === 0) this.#finish();
  }

  #finish(): void {
    this.#end();
    this.output.flush();
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#input.stop();
    this.#waiting.clear();
    for (const stream of this.#streams.values()) stream.closed();
    this.#streams.clear();
  }
}
