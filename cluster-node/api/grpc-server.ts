/**
 * A thin gRPC server over node:http2: routes a stream to its method, reads the framed request, answers with one framed
 * message and the status in the trailers. Methods come from a table by path ("/etcdserverpb.KV/Put"); what is not in it is
 * Unimplemented. Compression is not offered. Tried against etcd's Go client and grpc-js.
 */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type EtcdError, etcdErrors, grpcCode } from '../machine/errors.ts';
import type { ByteBudget } from './byte-budget.ts';
import { encodeGrpcMessage, FrameReader, frame, GrpcError, parseGrpcTimeout } from './grpc-frame.ts';

export interface Call {
  /** Milliseconds left for this call at its start, the caller's deadline bounded by the server's. */
  readonly timeoutMs: number;
}

/** One request, one response, both protobuf bytes. Rejects with GrpcError. */
export type UnaryMethod = (request: Uint8Array, call: Call) => Promise<Uint8Array>;

export type Methods = ReadonlyMap<string, UnaryMethod>;

export interface GrpcLimits {
  /** Of one request message. */
  readonly maxMessageBytes: number;
  /** The deadline of a call that brings none, and the longest that is honoured. */
  readonly maxTimeoutMs: number;
  /** A stream on which nothing moves for so long is reset, because it keeps bytes of the budget. Above maxTimeoutMs. */
  readonly stalledMs: number;
}

/** What a stream keeps besides its bodies, roughly, and a chunk besides its bytes. */
const STREAM_BYTES = 16 * 1024;
const CHUNK_BYTES = 256;

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' };

/** Serves one stream. The stream must be fresh: nothing read, nothing answered. */
export function serveGrpc(options: {
  /** Says why a call with these headers is not even looked at, or null. */
  readonly refuse: (headers: IncomingHttpHeaders) => EtcdError | null;
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly methods: Methods;
  readonly limits: GrpcLimits;
  /** Pays for what is kept for this stream until it is closed. */
  readonly budget: ByteBudget;
}): void {
  const { stream, headers, methods, limits } = options;
  // A caller that resets its stream is nothing to report; without a listener it would end the process.
  stream.on('error', () => {});
  stream.setTimeout(limits.stalledMs, () => stream.close(constants.NGHTTP2_CANCEL));
  if (!headers['content-type']?.startsWith('application/grpc')) {
    stream.resume().respond({ ':status': 415 }, { endStream: true });
    return;
  }
  const path = String(headers[':path']);
  const method = methods.get(path);
  if (!method) {
    endWithStatus(stream, grpcCode.unimplemented, `unknown method ${path}`);
    return;
  }
  const refusal = options.refuse(headers);
  if (refusal) {
    endWithStatus(stream, refusal.code, refusal.message);
    return;
  }
  const keep = keeperOf(stream, options.budget);
  if (!keep(STREAM_BYTES)) {
    endWithStatus(stream, etcdErrors.tooManyRequests.code, etcdErrors.tooManyRequests.message);
    return;
  }
  const timeoutMs = Math.min(parseGrpcTimeout(String(headers['grpc-timeout'] ?? '')) ?? Infinity, limits.maxTimeoutMs);
  serveUnary(stream, { method, timeoutMs, keep, maxMessageBytes: limits.maxMessageBytes });
}

/** Takes bytes from the budget until the stream is closed; false when they are not to be had. */
type Keep = (bytes: number) => boolean;

function keeperOf(stream: ServerHttp2Stream, budget: ByteBudget): Keep {
  let kept = 0;
  stream.on('close', () => budget.give(kept));
  return (bytes) => {
    if (stream.destroyed || !budget.take(bytes)) return false;
    kept += bytes;
    return true;
  };
}

interface UnaryCall extends Call {
  readonly method: UnaryMethod;
  readonly keep: Keep;
  readonly maxMessageBytes: number;
}

const tooManyRequests = () => new GrpcError(etcdErrors.tooManyRequests.code, etcdErrors.tooManyRequests.message);

function serveUnary(stream: ServerHttp2Stream, call: UnaryCall): void {
  const reader = new FrameReader(call.maxMessageBytes);
  let request: Uint8Array | null = null;
  stream.on('data', (chunk: Buffer) => {
    try {
      if (!call.keep(chunk.length + CHUNK_BYTES)) throw tooManyRequests();
      for (const message of reader.push(chunk)) {
        if (request) throw new GrpcError(grpcCode.internal, 'a unary call carries one message');
        request = message;
      }
    } catch (error) {
      stream.removeAllListeners('data').removeAllListeners('end').resume();
      endWithError(stream, error);
    }
  });
  stream.on('end', () => {
    if (request === null || reader.isInsideMessage)
      endWithStatus(stream, grpcCode.internal, 'the request ended before its message');
    else
      call.method(request, call).then(
        (response) => {
          if (call.keep(response.length)) endWithResponse(stream, response);
          else endWithError(stream, tooManyRequests());
        },
        (error: unknown) => endWithError(stream, error),
      );
  });
}

function endWithResponse(stream: ServerHttp2Stream, response: Uint8Array): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond(responseHeaders, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(frame(response));
}

function endWithError(stream: ServerHttp2Stream, error: unknown): void {
  if (error instanceof GrpcError) endWithStatus(stream, error.code, error.message);
  else endWithStatus(stream, grpcCode.internal, error instanceof Error ? error.message : String(error));
}

/** A response of headers only ("Trailers-Only"). */
function endWithStatus(stream: ServerHttp2Stream, code: number, message: string): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  const status = { 'grpc-status': String(code), 'grpc-message': encodeGrpcMessage(message) };
  // What still comes of the request is not kept, nor does it block the connection's other streams.
  stream.resume().respond({ ...responseHeaders, ...status }, { endStream: true });
}
