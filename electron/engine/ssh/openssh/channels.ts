/** All channels of one connection: opens them, and hands what comes to whom it is for (RFC 4254, 5.1). */
import { Channel, MAX_PACKET_BYTES, WINDOW_BYTES } from './channel.ts';
import { Message } from './message.ts';
import { type WireReader, wireOf } from './wire.ts';

interface Opening {
  resolve: (channel: Channel) => void;
  reject: (error: Error) => void;
}

/** Why the host opened no channel. `reason`: as in RFC 4254, 5.1; undefined: the connection had ended. */
export class ChannelRefused extends Error {
  readonly reason: number | undefined;
  constructor(text: string, reason: number | undefined) {
    super(text);
    this.name = 'ChannelRefused';
    this.reason = reason;
  }
}

export class Channels {
  readonly #send: (payload: Buffer) => void;
  readonly #opening = new Map<number, Opening>();
  readonly #open = new Map<number, Channel>();
  #lastId = 0;
  #hasEnded = false;

  constructor(send: (payload: Buffer) => void) {
    this.#send = send;
  }

  /** `more`: what the kind of channel wants to know. Throws ChannelRefused. */
  async open(kind: string, more: readonly (string | number)[] = []): Promise<Channel> {
    if (this.#hasEnded) throw new ChannelRefused('the connection has ended', undefined);
    const id = ++this.#lastId;
    const opened = new Promise<Channel>((resolve, reject) => this.#opening.set(id, { resolve, reject }));
    this.#send(wireOf({ byte: Message.channelOpen }, kind, id, WINDOW_BYTES, MAX_PACKET_BYTES, ...more));
    return await opened;
  }

  /** Throws RangeError where the packet ends too soon. */
  receive(reader: WireReader): void {
    const type = reader.byte();
    if (type === Message.globalRequest) {
      reader.string();
      if (reader.boolean()) this.#send(wireOf({ byte: Message.requestFailure }));
      return;
    }
    if (type < Message.channelOpenConfirmation || type > Message.channelFailure) return;
    const id = reader.uint32();
    const opening = this.#opening.get(id);
    if (opening === undefined) {
      if (this.#open.get(id)?.receive(type, reader) === false) this.#open.delete(id);
      return;
    }
    this.#opening.delete(id);
    if (type !== Message.channelOpenConfirmation) {
      const reason = reader.uint32();
      opening.reject(new ChannelRefused(reader.text(), reason));
      return;
    }
    const peer = { channel: reader.uint32(), windowBytes: reader.uint32(), maxPacketBytes: reader.uint32() };
    const channel = new Channel(peer, this.#send);
    this.#open.set(id, channel);
    opening.resolve(channel);
  }

  /** The connection is over. */
  end(): void {
    this.#hasEnded = true;
    for (const { reject } of this.#opening.values()) reject(new ChannelRefused('the connection has ended', undefined));
    for (const channel of this.#open.values()) channel.end();
    this.#opening.clear();
    this.#open.clear();
  }
}
