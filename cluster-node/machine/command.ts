/**
 * What a slot of the log carries: one client command, an envelope of 22 bytes and the etcd request in protobuf.
 *
 *   byte 0       format version, 1
 *   byte 1       kind of operation
 *   bytes 2-3    origin (member slot)
 *   bytes 4-9    boot of the origin
 *   bytes 10-15  sequence of the request
 *   bytes 16-21  acknowledgedBelow
 *   bytes 22-    the etcd request
 *
 * Numbers are big-endian and unsigned. The envelope lets every node apply a request once, however often it was proposed.
 */
import { encodeMessage } from '../contract/encode-message.ts';
import { CompactionRequest, DeleteRangeRequest, PutRequest, TxnRequest } from '../contract/etcd/rpc.ts';
import type { RequestId } from '../contract/peer.ts';
import { decodePut } from './decode-put.ts';

/** A change of the keys, as a client asked for it. */
export type Operation =
  | { readonly kind: 'put'; readonly request: PutRequest }
  | { readonly kind: 'deleteRange'; readonly request: DeleteRangeRequest }
  | { readonly kind: 'txn'; readonly request: TxnRequest }
  | { readonly kind: 'compact'; readonly request: CompactionRequest };

export interface Envelope {
  readonly request: RequestId;
  /** Every sequence of this (origin, boot) below it is finished at the origin: integer in [0, 2^48), not above `sequence`. */
  readonly acknowledgedBelow: number;
}

export interface Command extends Envelope {
  readonly operation: Operation;
}

/** A decided value that is no command: the log of this node and this program do not fit together. */
export class CommandFormatError extends Error {
  override readonly name = 'CommandFormatError';
}

const FORMAT_VERSION = 1;
const ENVELOPE_BYTES = 22;
const kinds = ['put', 'deleteRange', 'txn', 'compact'] as const;

/** The bytes to propose. Never empty: an empty value is the log's no-op. */
export function encodeCommand(envelope: Envelope, operation: Operation): Uint8Array {
  const head = Buffer.allocUnsafe(ENVELOPE_BYTES);
  head[0] = FORMAT_VERSION;
  head[1] = kinds.indexOf(operation.kind) + 1;
  head.writeUInt16BE(envelope.request.origin, 2);
  head.writeUIntBE(envelope.request.boot, 4, 6);
  head.writeUIntBE(envelope.request.sequence, 10, 6);
  head.writeUIntBE(envelope.acknowledgedBelow, 16, 6);
  switch (operation.kind) {
    case 'put':
      return encodeMessage(PutRequest, operation.request, head);
    case 'deleteRange':
      return encodeMessage(DeleteRangeRequest, operation.request, head);
    case 'txn':
      return encodeMessage(TxnRequest, operation.request, head);
    case 'compact':
      return encodeMessage(CompactionRequest, operation.request, head);
  }
}

/** Inverse of `encodeCommand`; the result shares the memory of `bytes`. Throws CommandFormatError. */
export function decodeCommand(bytes: Uint8Array): Command {
  if (bytes.length < ENVELOPE_BYTES || bytes[0] !== FORMAT_VERSION)
    throw new CommandFormatError(
      `${bytes.length} bytes with format ${bytes[0]} are no command of format ${FORMAT_VERSION}`,
    );
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    request: { origin: view.readUInt16BE(2), boot: view.readUIntBE(4, 6), sequence: view.readUIntBE(10, 6) },
    acknowledgedBelow: view.readUIntBE(16, 6),
    operation: decodeRequest(kinds[(bytes[1] ?? 0) - 1], bytes.subarray(ENVELOPE_BYTES)),
  };
}

function decodeRequest(kind: Operation['kind'] | undefined, body: Uint8Array): Operation {
  try {
    switch (kind) {
      case 'put':
        return { kind, request: decodePut(body) };
      case 'deleteRange':
        return { kind, request: DeleteRangeRequest.decode(body) };
      case 'txn':
        return { kind, request: TxnRequest.decode(body) };
      case 'compact':
        return { kind, request: CompactionRequest.decode(body) };
      case undefined:
        throw new CommandFormatError('the command has an unknown kind');
    }
  } catch (error) {
    if (error instanceof CommandFormatError) throw error;
    throw new CommandFormatError(`the ${kind} request in the command cannot be decoded`, { cause: error });
  }
}
