/** Packets on a byte stream, each after its length (uint32), as on the control socket of OpenSSH's client. */
import type { Socket } from 'node:net';

/** OpenSSH's own limit for a packet, bytes (PACKET_MAX_SIZE). */
const LONGEST_FRAME_BYTES = 256 << 10;

export function sendFrame(socket: Socket, payload: Buffer): void {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(payload.length);
  socket.cork();
  socket.write(length);
  socket.write(payload);
  socket.uncork();
}

/** Calls back for each packet that comes; ends the socket with an error at one that is too long or that `take` cannot read. */
export function onFrames(socket: Socket, take: (payload: Buffer) => void): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    try {
      pending = takeWhole(pending, take);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
}

/** What is left after the last whole packet. */
function takeWhole(bytes: Buffer, take: (payload: Buffer) => void): Buffer {
  let rest = bytes;
  while (rest.length >= 4) {
    const length = rest.readUInt32BE();
    if (length > LONGEST_FRAME_BYTES) throw new RangeError(`a packet of ${length} bytes`);
    if (rest.length < 4 + length) break;
    take(rest.subarray(4, 4 + length));
    rest = rest.subarray(4 + length);
  }
  return rest;
}
