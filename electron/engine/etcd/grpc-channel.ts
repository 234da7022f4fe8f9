/**
 * gRPC calls to one endpoint, unary or with a stream of answers, over one HTTP/2 session, which is opened at the first call and again at the first call
 * after it was lost. Bytes in, bytes out.
 *
 * No request is sent before the server's SETTINGS frame has come: only then has it accepted the connection, the client's
 * certificate included (with TLS 1.3 the client's side of the handshake ends earlier). So whatever fails before is `notSent`.
 */
import http2 from 'node:http2';
import { EtcdCallError, errorOfStatus } from './call-error.ts';
import { messagesIn } from './message-splitter.ts';

export interface EtcdEndpoint {
  /** "http://host:port" or "https://host:port". */
  readonly endpoint: string;
  /** PEM texts; null for plain HTTP/2. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
}

export interface EtcdTimeouts {
  /** From sending a request to its answer. */
  readonly callMs: number;
  /** For opening the connection, when a call finds none. */
  readonly connectMs: number;
}

const PREFIX_BYTES = 5;
const MAX_SESSION_MEMORY_MB = 256;
/** A stream on which nothing comes for so long has failed. */
const STREAM_SILENCE_MS = 20_000;
/** What may be on its way: a long path would be slow with HTTP/2's usual 64 KiB. */
const WINDOW_BYTES = 1 << 20;

/** One session with what tells a slow server from a lost one. */
interface Connection {
  readonly session: http2.ClientHttp2Session;
  /** Resolves once requests may be sent; rejects with EtcdCallError when it comes to nothing. */
  readonly ready: Promise<void>;
  /** `performance.now()` of the last answer. */
  answeredAtMs: number;
}

export class GrpcChannel {
  readonly #endpoint: EtcdEndpoint;
  readonly #timeouts: EtcdTimeouts;
  #connection: Connection | null = null;
  #closed = false;

  constructor(endpoint: EtcdEndpoint, timeouts: EtcdTimeouts) {
    this.#endpoint = endpoint;
    this.#timeouts = timeouts;
  }

  /** Ends the session; calls under way reject. */
  close(): void {
    this.#closed = true;
    this.#connection?.session.destroy();
  }

  /** Resolves with the response message. Rejects with EtcdCallError. */
  async unary(path: string, message: Uint8Array): Promise<Uint8Array> {
    const connection = await this.#usable();
    const stream = this.#open(connection, path, { 'grpc-timeout': `${Math.ceil(this.#timeouts.callMs)}m` });
    const answer = this.#answer(stream, connection);
    stream.end(framed(message));
    return answer;
  }

  /** The answers, as they are asked for. Rejects with EtcdCallError, also where they end without the server's word that it was all. */
  async *stream(path: string, message: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
    const connection = await this.#usable();
    const stream = this.#open(connection, path, {});
    let status: http2.IncomingHttpHeaders | undefined;
    stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) status = headers;
    });
    stream.on('trailers', (headers) => (status = headers));
    stream.setTimeout(STREAM_SILENCE_MS, () => stream.close(http2.constants.NGHTTP2_CANCEL));
    stream.end(framed(message));
    try {
      yield* messagesIn(stream);
    } catch (cause) {
      throw this.#error('timeout', 'the connection was lost in the middle of the answer', cause as Error);
    } finally {
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    if (status === undefined) throw this.#error('timeout', 'the answer was cut off');
    if (status['grpc-status'] !== '0') throw errorOfStatus(status, this.#endpoint.endpoint);
  }

  async #usable(): Promise<Connection> {
    if (this.#closed) throw this.#error('notSent', 'the client is closed');
    const connection = this.#connect();
    await connection.ready;
    if (connection.session.closed || connection.session.destroyed)
      throw this.#error('notSent', 'the connection was lost before the request');
    return connection;
  }

  #open({ session }: Connection, path: string, headers: Record<string, string>): http2.ClientHttp2Stream {
    return session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
  }

  #answer(stream: http2.ClientHttp2Stream, connection: Connection): Promise<Uint8Array> {
    const startedAtMs = performance.now();
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let status: http2.IncomingHttpHeaders | undefined;
      let failure: Error | undefined;
      const timer = setTimeout(() => {
        reject(this.#error('timeout', `no answer within ${this.#timeouts.callMs} ms`));
        stream.close(http2.constants.NGHTTP2_CANCEL);
        // Nobody was answered all this time: the connection is probably dead, so the next call opens another.
        if (connection.answeredAtMs < startedAtMs) this.#abandon(connection);
      }, this.#timeouts.callMs);
      stream.on('response', (headers) => {
        connection.answeredAtMs = performance.now();
        if (headers['grpc-status'] !== undefined) status = headers;
      });
      stream.on('trailers', (headers) => (status = headers));
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', (error) => (failure = error));
      stream.on('close', () => {
        clearTimeout(timer);
        if (status?.['grpc-status'] === '0') resolve(unframed(chunks));
        else if (status) reject(errorOfStatus(status, this.#endpoint.endpoint));
        else if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM)
          reject(this.#error('unavailable', 'the node takes no more calls on this connection'));
        else reject(this.#error('timeout', 'the connection was lost before the answer', failure));
      });
    });
  }

  #connect(): Connection {
    const current = this.#connection;
    if (current && !current.session.closed && !current.session.destroyed) return current;
    const session = http2.connect(this.#endpoint.endpoint, {
      ...this.#endpoint.tls,
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
      settings: { initialWindowSize: WINDOW_BYTES },
    });
    session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
    const ready = this.#ready(session);
    // A call may be gone before it fails.
    ready.catch(() => {});
    const connection: Connection = { session, ready, answeredAtMs: 0 };
    session.on('goaway', () => this.#forget(connection));
    session.on('close', () => this.#forget(connection));
    this.#connection = connection;
    return connection;
  }

  #ready(session: http2.ClientHttp2Session): Promise<void> {
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      const timer = setTimeout(
        () => session.destroy(new Error(`no connection within ${this.#timeouts.connectMs} ms`)),
        this.#timeouts.connectMs,
      );
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        resolve();
      });
      // Streams get the error too and reject their calls; later on it only must not end the process.
      session.on('error', (error) => (failure = error));
      session.once('close', () => {
        clearTimeout(timer);
        reject(this.#error('notSent', 'cannot connect', failure));
      });
    });
  }

  #forget(connection: Connection): void {
    if (this.#connection === connection) this.#connection = null;
  }

  #abandon(connection: Connection): void {
    this.#forget(connection);
    connection.session.destroy();
  }

  #error(kind: EtcdCallError['kind'], text: string, cause?: Error): EtcdCallError {
    const reason = cause ? `${text}: ${cause.message}` : text;
    return new EtcdCallError(kind, `${this.#endpoint.endpoint}: ${reason}`, { cause });
  }
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

function unframed(chunks: readonly Buffer[]): Uint8Array {
  const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  return body.subarray(PREFIX_BYTES);
}
