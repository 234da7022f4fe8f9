/**
 * etcdserverpb.Maintenance/Snapshot: everything that was acknowledged before the call, as one of this node's snapshot files
 * (storage/snapshot-file.ts), and behind it what etcd's clients look for: zeros up to a multiple of 512 and the SHA-256 of all before.
 * It is no database of etcd's: `etcdctl snapshot save` takes it, `etcdctl snapshot restore` does not.
 */
import { createHash } from 'node:crypto';
import { encodeMessage } from '../contract/encode-message.ts';
import * as pb from '../contract/etcd/rpc.ts';
import { etcdErrors } from '../machine/errors.ts';
import { explain, fail, Headers } from './calls.ts';
import type { AnswerSource, StreamingMethod } from './grpc-stream.ts';
import type { NodePort, SnapshotSource } from './port.ts';

/** A view of the past keeps memory until it is read. */
const AT_ONCE = 2;
const READ_BARRIER_MS = 7000;
const ALIGNED_BYTES = 512;

export function snapshotMethods(port: NodePort): [string, StreamingMethod][] {
  const headers = new Headers(port);
  let open = 0;
  const snapshot = async (): Promise<AnswerSource> => {
    if (open >= AT_ONCE) fail(etcdErrors.tooManyRequests);
    open++;
    try {
      await port.readBarrier(READ_BARRIER_MS).catch(explain);
      const source = port.snapshot();
      const header = headers.at(BigInt(source.revision));
      return answersOf(source, { header, onClose: () => open-- });
    } catch (error) {
      open--;
      throw error;
    }
  };
  return [['/etcdserverpb.Maintenance/Snapshot', snapshot]];
}

function answersOf(
  source: SnapshotSource,
  { header, onClose }: { header: pb.ResponseHeader; onClose: () => void },
): AnswerSource {
  const pieces = withDigest(source.bytes);
  return {
    next: () => {
      const { done, value: piece } = pieces.next();
      if (done) return null;
      return piece.blob.length === 0 ? piece.blob : encodeMessage(pb.SnapshotResponse, { header, ...piece });
    },
    close: () => {
      source.close();
      onClose();
    },
  };
}

/** How much is left is known only once the file is whole: 0 before, and with its last piece the length of what follows. */
type Piece = Pick<pb.SnapshotResponse, 'blob' | 'remainingBytes'>;

function* withDigest(chunks: Iterable<Uint8Array>): Generator<Piece, void, void> {
  const hash = createHash('sha256');
  let length = 0;
  let last: Uint8Array = new Uint8Array(0);
  for (const chunk of chunks) {
    hash.update(chunk);
    length += chunk.length;
    if (chunk.length === 0) yield { blob: chunk, remainingBytes: 0n };
    else if (last.length > 0) yield { blob: last, remainingBytes: 0n };
    if (chunk.length > 0) last = chunk;
  }
  const zeros = new Uint8Array((ALIGNED_BYTES - (length % ALIGNED_BYTES)) % ALIGNED_BYTES);
  const rest = Buffer.concat([zeros, hash.update(zeros).digest()]);
  yield { blob: last, remainingBytes: BigInt(rest.length) };
  yield { blob: rest, remainingBytes: 0n };
}
