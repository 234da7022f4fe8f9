/** What the callers of a load ask for: single keys out of a fixed set, chosen by a seeded generator, values of one size. */
import { PutRequest, RangeRequest } from '../../../cluster-node/contract/etcd/rpc.ts';
import { grpcMessage } from './grpc-connection.ts';

export const PUT = '/etcdserverpb.KV/Put';
export const RANGE = '/etcdserverpb.KV/Range';

export const workloadKinds = ['put', 'linearizableRead', 'serializableRead', 'mixed'] as const;
export type WorkloadKind = (typeof workloadKinds)[number];

export interface Workload {
  readonly kind: WorkloadKind;
  readonly valueBytes: number;
  readonly keys: number;
}

export interface Request {
  readonly isPut: boolean;
  readonly path: string;
  /** Valid until the next request is made. */
  readonly message: Buffer;
  /** A shorter answer is not one to this request. */
  readonly leastReplyBytes: number;
}

/** Of a mixed load, linearizable. */
const READ_RATIO = 0.8;
const KEY_DIGITS = 10;
const KEY_PREFIX = 'bench/';

/** Requests in an endless row; `sequential` goes through the keys in order. */
export class RequestSource {
  readonly #workload: Workload;
  readonly #put: Template;
  readonly #read: Template;
  readonly #isSequential: boolean;
  #state: number;
  #next = 0;

  constructor(workload: Workload, { seed, sequential = false }: { seed: number; sequential?: boolean }) {
    this.#workload = workload;
    this.#state = seed >>> 0;
    this.#isSequential = sequential;
    const key = Buffer.from(keyOf(0));
    const value = Buffer.alloc(workload.valueBytes, 'v');
    const serializable = workload.kind === 'serializableRead';
    const put = grpcMessage(PutRequest.encode(PutRequest.fromPartial({ key, value })).finish());
    const read = grpcMessage(RangeRequest.encode(RangeRequest.fromPartial({ key, serializable })).finish());
    // A response to a put is little more than its header; one to a read holds the value.
    this.#put = templateOf({ isPut: true, path: PUT, message: put, leastReplyBytes: 4 }, key);
    this.#read = templateOf({ isPut: false, path: RANGE, message: read, leastReplyBytes: workload.valueBytes }, key);
  }

  next(): Request {
    const { kind, keys } = this.#workload;
    const isPut = kind === 'put' || (kind === 'mixed' && this.#random() >= READ_RATIO);
    const template = isPut ? this.#put : this.#read;
    const key = this.#isSequential ? this.#next++ % keys : Math.floor(this.#random() * keys);
    writeDigits(template.request.message, template.digitsEnd, key);
    return template.request;
  }

  /** mulberry32 */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}

interface Template {
  readonly request: Request;
  readonly digitsEnd: number;
}

function templateOf(request: Request, key: Buffer): Template {
  return { request, digitsEnd: request.message.indexOf(key) + key.length };
}

function keyOf(number: number): string {
  return KEY_PREFIX + String(number).padStart(KEY_DIGITS, '0');
}

function writeDigits(into: Buffer, end: number, number: number): void {
  for (let at = end - 1, rest = number; at >= end - KEY_DIGITS; at--) {
    into[at] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
