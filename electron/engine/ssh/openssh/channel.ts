/** One channel of the SSH connection protocol (RFC 4254, 5), with its windows, as Node's streams. */
import { Duplex, Writable } from 'node:stream';
import type { CommandExit, RunningCommand } from '../link.ts';
import { HostOutput } from './host-output.ts';
import { Message } from './message.ts';
import { type OneByte, type WireReader, wireOf } from './wire.ts';

/** How much the host may send before we have taken it, bytes; as OpenSSH's own sessions. */
export const WINDOW_BYTES = 2 << 20;
export const MAX_PACKET_BYTES = 32 << 10;
const GRANT_BYTES = WINDOW_BYTES / 8;
/** RFC 4254, 5.2: SSH_EXTENDED_DATA_STDERR. */
const STDERR = 1;

/** The host's end of the channel. */
export interface Peer {
  channel: number;
  /** How much may be sent at the moment. */
  windowBytes: number;
  maxPacketBytes: number;
}

export class Channel implements RunningCommand {
  readonly stdin: Writable;
  readonly stdout = new HostOutput((bytes) => this.#grant(bytes));
  readonly stderr = new HostOutput((bytes) => this.#grant(bytes));
  exit: CommandExit | null = null;
  readonly closed: Promise<void>;
  readonly #send: (payload: Buffer) => void;
  readonly #peer: Peer;
  /** What stdin was given and the host has no window for yet. */
  #unsent: { rest: Buffer; done: () => void } | null = null;
  /** Taken by whoever reads, and not yet said to the host. */
  #takenBytes = 0;
  #hasSentClose = false;
  #hasEndedOutputs = false;
  readonly #over = Promise.withResolvers<void>();
  readonly #answers: ((granted: boolean) => void)[] = [];

  constructor(peer: Peer, send: (payload: Buffer) => void) {
    this.#peer = peer;
    this.#send = send;
    this.stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#unsent = { rest: chunk, done };
        this.#sendWhatFits();
      },
      final: (done) => {
        this.#toPeer(Message.channelEof);
        done();
      },
    });
    // A command may end before it has read everything; that is judged by its exit code.
    this.stdin.on('error', () => {});
    const read = (stream: HostOutput): Promise<void> => new Promise((resolve) => stream.once('close', resolve));
    this.closed = Promise.all([this.#over.promise, read(this.stdout), read(this.stderr)]).then(() => {});
  }

  /** Asks the host for something on this channel; whether it was granted. */
  async request(name: string, argument: string): Promise<boolean> {
    this.#toPeer(Message.channelRequest, name, { byte: 1 }, argument);
    return await new Promise((resolve) => this.#answers.push(resolve));
  }

  readonly stop = (): void => {
    this.#toPeer(Message.channelRequest, 'signal', { byte: 0 }, 'TERM');
    this.close();
  };

  readonly close = (): void => {
    this.#sayClose();
    this.stdin.destroy();
    // Nobody may be reading any more, and the end stands behind what is still on its way.
    this.stdout.resume();
    this.stderr.resume();
  };

  /** A packet of the host for this channel; `reader` stands after its channel. False: it was the last one. */
  receive(type: number, reader: WireReader): boolean {
    switch (type) {
      case Message.channelWindowAdjust:
        this.#peer.windowBytes += reader.uint32();
        this.#sendWhatFits();
        return true;
      case Message.channelData:
        this.stdout.deliver(reader.string());
        return true;
      case Message.channelExtendedData:
        if (reader.uint32() === STDERR) this.stderr.deliver(reader.string());
        else this.#grant(reader.string().length);
        return true;
      case Message.channelEof:
        this.#endOutputs();
        return true;
      case Message.channelRequest:
        this.#takeRequest(reader);
        return true;
      case Message.channelSuccess:
      case Message.channelFailure:
        this.#answers.shift()?.(type === Message.channelSuccess);
        return true;
      case Message.channelClose:
        this.#sayClose();
        this.end();
        return false;
      default:
        return true;
    }
  }

  /** Nothing comes any more. */
  end(): void {
    this.#hasSentClose = true;
    this.stdin.destroy();
    this.#endOutputs();
    this.#over.resolve();
    for (const answer of this.#answers.splice(0)) answer(false);
  }

  #endOutputs(): void {
    if (this.#hasEndedOutputs) return;
    this.#hasEndedOutputs = true;
    this.stdout.push(null);
    this.stderr.push(null);
  }

  #takeRequest(reader: WireReader): void {
    const name = reader.text();
    const wantsAnswer = reader.boolean();
    if (name === 'exit-status') this.exit = { code: reader.uint32(), signal: null };
    else if (name === 'exit-signal') this.exit = { code: null, signal: `SIG${reader.text()}` };
    else if (wantsAnswer) this.#toPeer(Message.channelFailure);
  }

  #sendWhatFits(): void {
    const unsent = this.#unsent;
    if (unsent === null) return;
    while (unsent.rest.length > 0 && this.#peer.windowBytes > 0) {
      const bytes = Math.min(unsent.rest.length, this.#peer.windowBytes, this.#peer.maxPacketBytes);
      this.#toPeer(Message.channelData, unsent.rest.subarray(0, bytes));
      this.#peer.windowBytes -= bytes;
      unsent.rest = unsent.rest.subarray(bytes);
    }
    if (unsent.rest.length > 0) return;
    this.#unsent = null;
    unsent.done();
  }

  #grant(bytes: number): void {
    this.#takenBytes += bytes;
    if (this.#takenBytes < GRANT_BYTES) return;
    this.#toPeer(Message.channelWindowAdjust, this.#takenBytes);
    this.#takenBytes = 0;
  }

  #sayClose(): void {
    this.#toPeer(Message.channelClose);
    this.#hasSentClose = true;
  }

  /** RFC 4254, 5.3: after its close an end of the channel says nothing more. */
  #toPeer(type: number, ...parts: readonly (OneByte | number | string | Buffer)[]): void {
    if (!this.#hasSentClose) this.#send(wireOf({ byte: type }, this.#peer.channel, ...parts));
  }
}

/** A channel that carries a connection: its stdout and stdin as one stream, which ends with it. */
export function duplexOf(channel: Channel): Duplex {
  channel.stderr.resume();
  const stream = Duplex.from({ readable: channel.stdout, writable: channel.stdin });
  stream.on('close', () => channel.close());
  return stream.on('error', () => {});
}
