/** One call over a unix socket that speaks the line protocol of contract/admin.ts: connect, ask, read the answer, close. */
import { connect } from 'node:net';
import type { z } from 'zod';
import { LineSplitter } from '../api/line-splitter.ts';
import { adminReplySchema, type CallError } from '../contract/admin.ts';

const MAX_REPLY_BYTES = 1 << 20;

/** A call that did not give its result; `callError` is what may cross to another process. */
export class CallFailedError extends Error {
  override readonly name = 'CallFailedError';
  readonly callError: CallError;

  constructor(callError: CallError, options?: ErrorOptions) {
    super(callError.message, options);
    this.callError = callError;
  }
}

export function failCall(kind: CallError['kind'], message: string, nextStep?: string): CallFailedError {
  return new CallFailedError(nextStep === undefined ? { kind, message } : { kind, message, nextStep });
}

export interface SocketCall<R extends z.ZodType> {
  readonly socketPath: string;
  readonly call: string;
  readonly params: unknown;
  readonly result: R;
  /** From connecting to the whole answer. */
  readonly timeoutMs: number;
}

/** Throws CallFailedError: `notRunning` when nobody listens, `timeout` when no answer came: then the outcome is unknown. */
export async function callSocket<R extends z.ZodType>(request: SocketCall<R>): Promise<z.infer<R>> {
  const reply = adminReplySchema.safeParse(parseJson(await exchangeLine(request), request));
  if (!reply.success) throw failCall('failed', `${describe(request)} gave an answer that is not understood`);
  if (!reply.data.ok) throw new CallFailedError(reply.data.error);
  const result = request.result.safeParse(reply.data.result);
  if (!result.success) {
    throw new CallFailedError(
      { kind: 'failed', message: `${describe(request)} gave a result of another shape: ${result.error.message}` },
      { cause: result.error },
    );
  }
  return result.data;
}

type AnySocketCall = SocketCall<z.ZodType>;

function describe(request: AnySocketCall): string {
  return `'${request.call}' on ${request.socketPath}`;
}

function parseJson(line: string, request: AnySocketCall): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new CallFailedError({ kind: 'failed', message: `${describe(request)} answered no JSON` }, { cause });
  }
}

function exchangeLine(request: AnySocketCall): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: request.socketPath });
    const splitter = new LineSplitter(MAX_REPLY_BYTES);
    const fail = (error: CallFailedError) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(failCall('timeout', `${describe(request)} gave no answer within ${request.timeoutMs} ms`)),
      request.timeoutMs,
    );
    socket.on('connect', () => {
      socket.write(`${JSON.stringify({ id: 1, call: request.call, params: request.params })}\n`);
    });
    socket.on('data', (chunk) => {
      try {
        const line = splitter.push(chunk)[0];
        if (line === undefined) return;
        clearTimeout(timer);
        socket.destroy();
        resolve(line);
      } catch (cause) {
        fail(new CallFailedError({ kind: 'failed', message: `${describe(request)}: ${String(cause)}` }, { cause }));
      }
    });
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') {
        fail(
          new CallFailedError({ kind: 'notRunning', message: `nobody listens on ${request.socketPath}` }, { cause }),
        );
      } else {
        // The other side ended during the call: it is not running now, and whether it acted before is unknown.
        const ended = cause.code === 'ECONNRESET' || cause.code === 'EPIPE';
        const message = `${describe(request)}: ${cause.message}`;
        fail(new CallFailedError({ kind: ended ? 'notRunning' : 'failed', message }, { cause }));
      }
    });
    socket.on('close', () => fail(failCall('notRunning', `${describe(request)}: closed before an answer`)));
  });
}
