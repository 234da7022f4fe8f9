/**
 * The control socket of OpenSSH's client (PROTOCOL.mux), in proxy mode: after a short greeting it carries the SSH connection
 * protocol in the clear, as any SSH library speaks it below its encryption. So exit codes, signals and stderr come as the host
 * says them, and no process is needed for each command. Since OpenSSH 7.4 (2016).
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Channels } from './channels.ts';
import { onFrames, sendFrame } from './frames.ts';
import { WireReader, wireOf } from './wire.ts';

const HELLO = 1;
const VERSION = 4;
const REQUEST_PROXY = 0x1000_000f;
const PROXY = 0x8000_000f;
const REQUEST_ID = 1;

export interface ControlConnection {
  channels: Channels;
  socket: Socket;
}

/** Throws what the system says, or an Error where the client offers no proxy mode. */
export async function connectControlSocket(path: string): Promise<ControlConnection> {
  const socket = connect(path);
  const channels = new Channels((payload) => sendFrame(socket, Buffer.concat([Buffer.of(0), payload])));
  const agreed = new Promise<void>((resolve, reject) => {
    let isProxy = false;
    onFrames(socket, (payload) => {
      const reader = new WireReader(payload);
      if (isProxy) {
        // The length of a padding that is never there.
        reader.byte();
        channels.receive(reader);
        return;
      }
      const type = reader.uint32();
      if (type === HELLO) sendFrame(socket, wireOf(REQUEST_PROXY, REQUEST_ID));
      else if (type === PROXY) {
        isProxy = true;
        resolve();
      } else reject(new Error(`the control socket of ssh answered ${type}: it has no proxy mode (OpenSSH 7.4)`));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('ssh closed its control socket')));
  });
  agreed.catch(() => {});
  try {
    await once(socket, 'connect');
    sendFrame(socket, wireOf(HELLO, VERSION));
    await agreed;
    return { channels, socket };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
