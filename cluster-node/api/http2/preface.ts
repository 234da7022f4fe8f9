/** What a client speaks shows in its first bytes (RFC 9113, 3.4). This is the one place that looks at them. */
import type { Socket } from 'node:net';
import { PREFACE } from './wire.ts';

/** Calls one of them; the socket then is as it was, without HTTP/2's preface but with every byte of anything else. */
export function readPreface(
  socket: Socket,
  then: { readonly isHttp2: () => void; readonly isOther: () => void },
): void {
  let read: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    const isHttp2 = read.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, read.length));
    if (isHttp2 && read.length < PREFACE.length) return;
    socket.off('data', onData).pause();
    const rest = isHttp2 ? read.subarray(PREFACE.length) : read;
    if (rest.length > 0) socket.unshift(rest);
    if (isHttp2) then.isHttp2();
    else then.isOther();
    socket.resume();
  };
  socket.on('data', onData);
}
