/**
 * A thin gRPC server over node:http2: routes a stream to its method, reads the framed request, answers with one framed
 * message and the status in the trailers. Methods come from a table by path ("/etcdserverpb.KV/Put"); what is not in it is
 * Unimplemented. Compression is not offered. Tried against etcd's Go client and grpc-js.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { type EtcdError, grpcCode } from '../machine/errors.ts';
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
}

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' };

/** Serves one stream. The stream must be fresh: nothing read, nothing answered. */
export function serveGrpc(options: {
  /** Says why a call with these headers is not even looked at, or null. */
  readonly refuse: (headers: IncomingHttpHeaders) => EtcdError | null;
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly methods: Methods;
  readonly limits: GrpcLimits;
}): void {
  const { stream, headers, methods, limits } = options;
  // A caller that resets its stream is nothing to report; without a listener it would end the process.
  stream.on('error', () => {});
  if (!headers['content-type']?.startsWith('application/grpc')) {
    stream.respond({ ':status': 415 }, { endStream: true });
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
  const timeoutMs = Math.min(parseGrpcTimeout(String(headers['grpc-timeout'] ?? '')) ?? Infinity, limits.maxTimeoutMs);
  serveUnary(stream, { method, timeoutMs, maxMessageBytes: limits.maxMessageBytes });
}

interface UnaryCall extends Call {
  readonly method: UnaryMethod;
  readonly maxMessageBytes: number;
}

function serveUnary(stream: ServerHttp2Stream, call: UnaryCall): void {
  const reader = new FrameReader(call.maxMessageBytes);
  let request: Uint8Array | null = null;
  stream.on('data', (chunk: Buffer) => {
    try {
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
        (response) => endWithResponse(stream, response),
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
  stream.respond({ ...responseHeaders, ...status }, { endStream: true });
}
