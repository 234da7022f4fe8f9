/** A server that sends back what each stream brings: headers, body, end. It counts what was opened and what was closed. */
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Http2Connection } from '../../cluster-node/api/http2/connection.ts';
import { headerBlock } from '../../cluster-node/api/http2/header-block.ts';
import type { RequestHeaders } from '../../cluster-node/api/http2/header-decoder.ts';
import { readPreface } from '../../cluster-node/api/http2/preface.ts';
import type { Http2Stream } from '../../cluster-node/api/http2/stream.ts';

export class EchoServer {
  readonly connections: Http2Connection[] = [];
  readonly headers: RequestHeaders[] = [];
  readonly streams: Http2Stream[] = [];
  opened = 0;
  closed = 0;
  readonly #server: Server;

  /** `onStream` replaces the echo. */
  constructor(onStream?: (stream: Http2Stream, headers: RequestHeaders) => void) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {});
      readPreface(socket, {
        isHttp2: () => {
          const take = onStream ?? ((stream, headers) => this.#echo(stream, headers));
          this.connections.push(new Http2Connection(socket, { onReady: () => {}, onStream: take }));
        },
        isOther: () => socket.destroy(),
      });
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #echo(stream: Http2Stream, headers: RequestHeaders): void {
    this.opened++;
    this.headers.push(headers);
    this.streams.push(stream);
    stream.listen({
      onData: (chunk) => stream.write(Buffer.from(chunk)),
      onEnd: () => stream.end(headerBlock({ 'x-end': 'yes' })),
      onClose: () => this.closed++,
    });
    stream.respond(headerBlock({ ':status': '200', 'x-path': headers.get(':path') ?? '' }));
  }
}
