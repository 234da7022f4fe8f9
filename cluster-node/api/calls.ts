/**
 * How a call of the etcd API is declared: a codec on each side and a function between them. Shared by the services.
 */
import type { BinaryWriter } from '@bufbuild/protobuf/wire';
import { encodeMessage } from '../contract/encode-message.ts';
import type { ResponseHeader } from '../contract/etcd/rpc.ts';
import { type EtcdError, etcdErrors } from '../machine/errors.ts';
import { GrpcError } from './grpc-frame.ts';
import type { Call, UnaryMethod } from './grpc-server.ts';
import { clusterIdOf, memberIdOf } from './identity.ts';
import { type NodePort, NodeUnavailableError } from './port.ts';

interface Encoder<T> {
  encode(message: T, writer: BinaryWriter): BinaryWriter;
}
interface Decoder<T> {
  decode(bytes: Uint8Array): T;
}

export function unary<Request, Response>(
  codecs: { readonly request: Decoder<Request>; readonly response: Encoder<Response> },
  answer: (request: Request, call: Call & { readonly requestBytes: number }) => Response | Promise<Response>,
): UnaryMethod {
  const encode = (response: Response) => encodeMessage(codecs.response, response);
  return (bytes, { timeoutMs, keepAnswer }) => {
    let request: Request;
    try {
      request = codecs.request.decode(bytes);
    } catch (cause) {
      throw new GrpcError(13, 'grpc: error unmarshalling request', { cause });
    }
    const response = answer(request, { timeoutMs, keepAnswer, requestBytes: bytes.length });
    return response instanceof Promise ? response.then(encode) : encode(response);
  };
}

export function fail(error: EtcdError): never {
  throw new GrpcError(error.code, error.message);
}

/** What etcd's clients are told when the node cannot do what they ask now. Other errors pass as they are. */
export function explain(cause: unknown): never {
  if (!(cause instanceof NodeUnavailableError)) throw cause;
  const { code, message } = cause.mayHaveHappened ? outcomeUnknown[cause.reason] : unavailable[cause.reason];
  throw new GrpcError(code, message, { cause });
}

const unavailable: Record<NodeUnavailableError['reason'], EtcdError> = {
  busy: etcdErrors.tooManyRequests,
  noSpace: etcdErrors.noSpace,
  noLeader: etcdErrors.noLeader,
  timeout: etcdErrors.timeout,
  stopping: etcdErrors.stopped,
};

/** A client must not read these as "it did not happen". */
const outcomeUnknown: Record<NodeUnavailableError['reason'], EtcdError> = {
  busy: etcdErrors.timeout,
  noSpace: etcdErrors.timeout,
  noLeader: etcdErrors.timeoutLeaderLost,
  timeout: etcdErrors.timeout,
  stopping: etcdErrors.timeoutConnectionLost,
};

/** Fills in what the machine does not know of a response's header. */
export class Headers {
  readonly #port: NodePort;
  readonly #clusterId: bigint;
  readonly #memberId: bigint;
  #termOfTurn: bigint | null = null;

  constructor(port: NodePort) {
    this.#port = port;
    this.#clusterId = clusterIdOf(port.clusterId);
    this.#memberId = memberIdOf(port.self.nodeId);
  }

  get memberId(): bigint {
    return this.#memberId;
  }

  at(revision: bigint): ResponseHeader {
    return { clusterId: this.#clusterId, memberId: this.#memberId, revision, raftTerm: this.#raftTerm() };
  }

  now(): ResponseHeader {
    return this.at(BigInt(this.#port.machine.revision));
  }

  complete<T extends { header: ResponseHeader | undefined }>(response: T): T {
    return { ...response, header: this.at(response.header?.revision ?? 0n) };
  }

  /** Asked for once a turn: many answers leave in one. */
  #raftTerm(): bigint {
    if (this.#termOfTurn === null) {
      this.#termOfTurn = BigInt(this.#port.status().leaderBallot);
      setImmediate(() => (this.#termOfTurn = null));
    }
    return this.#termOfTurn;
  }
}
