/** Why a call to the etcd API gave no answer, told apart by what the caller may conclude. */
import type { IncomingHttpHeaders } from 'node:http2';

export class EtcdCallError extends Error {
  override readonly name = 'EtcdCallError';
  /**
   * - `notSent`: no connection; it did not happen.
   * - `refused`: the node said no to the request itself; it did not happen and sending it again will not help.
   * - `unavailable`: the node cannot now (no leader, too many requests, stopping); it did not happen, try later.
   * - `timeout`: no answer, or one that leaves it open: a change may have happened, or may yet.
   */
  readonly kind: 'notSent' | 'refused' | 'unavailable' | 'timeout';
  /** The gRPC status code that the node gave, or null. */
  readonly code: number | null;

  constructor(kind: EtcdCallError['kind'], message: string, details: { code?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.kind = kind;
    this.code = details.code ?? null;
  }

  get outcomeIsUnknown(): boolean {
    return this.kind === 'timeout';
  }
}

/** cancelled, unknown, deadlineExceeded, aborted, internal, unavailable, dataLoss: none says that nothing happened. */
const openCodes = new Set([1, 2, 4, 10, 13, 14, 15]);
const certainlyNotNow = new Set([
  'etcdserver: no leader',
  'etcdserver: too many requests',
  'etcdserver: server stopped',
]);

export function errorOfStatus(trailers: IncomingHttpHeaders, endpoint: string): EtcdCallError {
  const code = Number(trailers['grpc-status']);
  const text = decodeMessage(String(trailers['grpc-message'] ?? ''));
  const kind = certainlyNotNow.has(text) ? 'unavailable' : openCodes.has(code) ? 'timeout' : 'refused';
  return new EtcdCallError(kind, `${endpoint}: ${text || `gRPC status ${code}`}`, { code });
}

function decodeMessage(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
