/**
 * What is said on a snapshot connection after the hello: a request, an offer (or the reason why there is none), from where the
 * receiver takes it, and then the bytes of the snapshot file. Framed like everything between nodes: a length (u32), a type (u8), the fields, little-endian.
 */
import type { Slot } from '../contract/ballot.ts';
import { ByteReader, ByteWriter, FrameError } from './byte-cursor.ts';

const FRAME_LENGTH_BYTES = 4;
const DIGEST = /^[0-9a-f]{64}$/;
const MAX_REASON_BYTES = 500;

/** Asks for the peer's newest snapshot, provided that it covers `minSlot`. */
export interface SnapshotRequest {
  readonly kind: 'request';
  readonly minSlot: Slot;
}

export interface SnapshotOffer {
  readonly kind: 'offer';
  readonly slot: Slot;
  /** Of the machine's bytes in it: 64 lower-case hex digits. */
  readonly sha256: string;
  /** Of the whole file. */
  readonly fileBytes: number;
}

/** Send it from here on: what comes before is there already, from an attempt that was cut off. */
export interface SnapshotTake {
  readonly kind: 'take';
  readonly offset: number;
}

export interface SnapshotChunk {
  readonly kind: 'chunk';
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface SnapshotNone {
  readonly kind: 'none';
  readonly reason: string;
}

export type SnapshotFrame = SnapshotRequest | SnapshotOffer | SnapshotTake | SnapshotChunk | SnapshotNone;

const types = ['request', 'offer', 'take', 'chunk', 'none'] as const satisfies readonly SnapshotFrame['kind'][];

export function encodeSnapshotFrame(frame: SnapshotFrame): Buffer {
  const writer = new ByteWriter(FRAME_LENGTH_BYTES).u8(types.indexOf(frame.kind));
  switch (frame.kind) {
    case 'request':
      writer.integer(frame.minSlot);
      break;
    case 'offer':
      writer.integer(frame.slot).text(frame.sha256).integer(frame.fileBytes);
      break;
    case 'take':
      writer.integer(frame.offset);
      break;
    case 'chunk':
      writer.integer(frame.offset).bytes(frame.bytes);
      break;
    case 'none':
      writer.text(frame.reason.slice(0, MAX_REASON_BYTES / 4));
  }
  const bytes = writer.finish();
  bytes.writeUInt32LE(bytes.length - FRAME_LENGTH_BYTES, 0);
  return bytes;
}

/** Inverse of `encodeSnapshotFrame`, given the frame without its length. Throws FrameError, whatever the bytes. */
export function decodeSnapshotFrame(body: Buffer): SnapshotFrame {
  const reader = new ByteReader(body);
  const frame = readFrame(reader, types[reader.u8()]);
  reader.end();
  return frame;
}

function readFrame(reader: ByteReader, kind: SnapshotFrame['kind'] | undefined): SnapshotFrame {
  switch (kind) {
    case 'request':
      return { kind, minSlot: reader.integer() };
    case 'offer':
      return { kind, slot: reader.integer(), sha256: digest(reader), fileBytes: reader.integer() };
    case 'take':
      return { kind, offset: reader.integer() };
    case 'chunk':
      return { kind, offset: reader.integer(), bytes: reader.bytes() };
    case 'none':
      return { kind, reason: reader.text(MAX_REASON_BYTES) };
    case undefined:
      throw new FrameError('the frame type is unknown');
  }
}

function digest(reader: ByteReader): string {
  const text = reader.text(64);
  if (!DIGEST.test(text)) throw new FrameError('a digest is not 64 lower-case hex digits');
  return text;
}
