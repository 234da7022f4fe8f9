/**
 * A thin gRPC server over HTTP/2: routes a stream to its method, reads the framed request, answers with one framed
 * message (grpc-stream.ts: with many) and the status in the trailers. Methods come from a table by path ("/etcdserverpb.KV/Put"); what is not in it is
 * Unimplemented. Compression is not offered. Tried against etcd's Go client and grpc-js.
 */
import { type EtcdError, etcdErrors, grpcCode } from '../machine/errors.ts';
import type { ByteBudget } from './byte-budget.ts';
import { encodeGrpcMessage, FrameReader, frame, GrpcError, parseGrpcTimeout, prefixOf } from './grpc-frame.ts';
import { type AnswerEnds, StreamingCall, type StreamingMethod } from './grpc-stream.ts';
import { headerBlock } from './http2/header-block.ts';
import type { RequestHeaders } from './http2/header-decoder.ts';
import type { Http2Stream, StreamListener } from './http2/stream.ts';

export interface Call {
  /** Milliseconds left for this call at its start, the caller's deadline bounded by the server's. */
  readonly timeoutMs: number;
  /**
   * To be called before an answer is made that may be large, with its bytes, about: false when so much cannot be kept for this client,
   * or when it has gone. What is taken is given back with the stream.
   */
  readonly keepAnswer: (bytes: number) => boolean;
}

/** One request, one response, both protobuf bytes. Throws or rejects with GrpcError. */
export type UnaryMethod = (request: Uint8Array, call: Call) => Uint8Array | Promise<Uint8Array>;

export interface GrpcLimits {
  /** Of one request message. */
  readonly maxMessageBytes: number;
  /** The deadline of a call that brings none, and the longest that is honoured. */
  readonly maxTimeoutMs: number;
}

export interface GrpcService {
  readonly methods: ReadonlyMap<string, UnaryMethod>;
  readonly streams: ReadonlyMap<string, StreamingMethod>;
  readonly limits: GrpcLimits;
  /** Says why a call with these headers is not even looked at, or null. */
  readonly refuse: (headers: RequestHeaders) => EtcdError | null;
  /** Pays for what is kept for a stream until it is closed. */
  readonly budget: ByteBudget;
}

/** What a stream keeps besides large bodies, roughly, and a chunk besides its bytes. */
const STREAM_BYTES = 16 * 1024;
const CHUNK_BYTES = 256;
/** So much of an answer is paid for with the stream, so that a change that was taken in can be answered whatever others keep. */
const SMALL_ANSWER_BYTES = 4 * 1024;
/** A larger answer is sent from where it is. */
const COPIED_BYTES = 64 * 1024;

const answerHeaders = { ':status': '200', 'content-type': 'application/grpc' };
const answerBlock = headerBlock(answerHeaders);
const okBlock = headerBlock({ 'grpc-status': '0' });
const notGrpcBlock = headerBlock({ ':status': '415' });

/** Serves one stream. The stream must be fresh: nothing read, nothing answered. */
export function serveGrpc(stream: Http2Stream, headers: RequestHeaders, service: GrpcService): void {
  if (!headers.get('content-type')?.startsWith('application/grpc')) return stream.end(notGrpcBlock);
  const path = headers.get(':path') ?? '';
  const method = service.methods.get(path);
  const streaming = service.streams.get(path);
  if (!method && !streaming) return endWithStatus(stream, grpcCode.unimplemented, `unknown method ${path}`);
  const refusal = service.refuse(headers);
  if (refusal) return endWithStatus(stream, refusal.code, refusal.message);
  const { budget, limits } = service;
  if (!budget.take(STREAM_BYTES)) return endWithError(stream, tooManyRequests());
  const { maxMessageBytes } = limits;
  if (streaming) {
    const parts = { method: streaming, ends: answerEnds, budget, keptBytes: STREAM_BYTES, maxMessageBytes };
    return stream.listen(new StreamingCall(stream, parts));
  }
  if (!method) return;
  const timeoutMs = Math.min(parseGrpcTimeout(headers.get('grpc-timeout')) ?? Infinity, limits.maxTimeoutMs);
  stream.listen(new UnaryCall(stream, { method, budget, timeoutMs, maxMessageBytes }));
}

const answerEnds: AnswerEnds = {
  begin: (stream) => stream.respond(answerBlock),
  succeed: (stream) => stream.end(okBlock),
  fail: (stream, error) => endWithError(stream, error),
};

const tooManyRequests = () => new GrpcError(etcdErrors.tooManyRequests.code, etcdErrors.tooManyRequests.message);

class UnaryCall implements StreamListener {
  readonly #stream: Http2Stream;
  readonly #method: UnaryMethod;
  readonly #call: Call;
  readonly #budget: ByteBudget;
  readonly #reader: FrameReader;
  #request: Uint8Array | null = null;
  /** Taken from the budget until the stream is closed. */
  #kept = STREAM_BYTES;
  /** Of the answer that is paid for, its small part included. */
  #answerBytes = 0;

  constructor(
    stream: Http2Stream,
    call: Pick<Call, 'timeoutMs'> & {
      readonly method: UnaryMethod;
      readonly budget: ByteBudget;
      readonly maxMessageBytes: number;
    },
  ) {
    this.#stream = stream;
    this.#method = call.method;
    this.#call = { timeoutMs: call.timeoutMs, keepAnswer: (bytes) => this.#keepAnswer(bytes) };
    this.#budget = call.budget;
    this.#reader = new FrameReader(call.maxMessageBytes);
  }

  onData(chunk: Buffer): void {
    try {
      if (!this.#keep(chunk.length + CHUNK_BYTES)) throw tooManyRequests();
      for (const message of this.#reader.push(chunk)) {
        if (this.#request) throw new GrpcError(grpcCode.internal, 'a unary call carries one message');
        this.#request = message;
      }
    } catch (error) {
      endWithError(this.#stream, error);
    }
  }

  onEnd(): void {
    if (this.#request === null || this.#reader.isInsideMessage)
      return endWithStatus(this.#stream, grpcCode.internal, 'the request ended before its message');
    try {
      const response = this.#method(this.#request, this.#call);
      if (response instanceof Promise)
        response.then(
          (bytes) => this.#answer(bytes),
          (error: unknown) => endWithError(this.#stream, error),
        );
      else this.#answer(response);
    } catch (error) {
      endWithError(this.#stream, error);
    }
  }

  onClose(): void {
    this.#budget.give(this.#kept);
    this.#kept = 0;
  }

  #answer(response: Uint8Array): void {
    const stream = this.#stream;
    if (!stream.isOpen) return;
    // Made without having been asked about in full: what it tells may have happened, so it must not look refused.
    if (!this.#keepAnswer(Math.max(0, response.length - this.#answerBytes)))
      return endWithStatus(stream, etcdErrors.timeout.code, etcdErrors.timeout.message);
    stream.respond(answerBlock);
    if (response.length <= COPIED_BYTES) stream.write(frame(response));
    else {
      stream.write(prefixOf(response));
      stream.write(Buffer.from(response.buffer, response.byteOffset, response.length));
    }
    stream.end(okBlock);
  }

  #keepAnswer(bytes: number): boolean {
    const total = this.#answerBytes + bytes;
    const isKept = this.#stream.isOpen && this.#keep(beyondSmall(total) - beyondSmall(this.#answerBytes));
    if (isKept) this.#answerBytes = total;
    return isKept;
  }

  #keep(bytes: number): boolean {
    if (!this.#budget.take(bytes)) return false;
    this.#kept += bytes;
    return true;
  }
}

function beyondSmall(answerBytes: number): number {
  return Math.max(0, answerBytes - SMALL_ANSWER_BYTES);
}

function endWithError(stream: Http2Stream, error: unknown): void {
  if (error instanceof GrpcError) endWithStatus(stream, error.code, error.message);
  else endWithStatus(stream, grpcCode.internal, error instanceof Error ? error.message : String(error));
}

/** A response of headers only ("Trailers-Only"). */
function endWithStatus(stream: Http2Stream, code: number, message: string): void {
  if (!stream.isOpen) return;
  const status = { 'grpc-status': String(code), 'grpc-message': encodeGrpcMessage(message) };
  stream.end(headerBlock({ ...answerHeaders, ...status }));
}
