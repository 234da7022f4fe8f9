/** Frames on their way to one peer, bounded in bytes. Paxos tolerates loss, so past the bound old frames go, heartbeats first. */
export const MAX_QUEUED_BYTES = 8 * 1024 * 1024;

interface QueuedFrame {
  readonly bytes: Buffer;
  readonly isEssential: boolean;
}

export class OutboundQueue {
  #frames: QueuedFrame[] = [];
  #bytes = 0;
  /** Since the start. */
  droppedFrames = 0;

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  push(frame: QueuedFrame): void {
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
    if (this.#bytes > MAX_QUEUED_BYTES) this.#shrink();
  }

  /** The oldest frames up to `maxBytes` as one piece, at least one; the queue must not be empty. */
  take(maxBytes: number): Buffer {
    const taken: Buffer[] = [];
    let bytes = 0;
    for (const frame of this.#frames) {
      if (taken.length > 0 && bytes + frame.bytes.length > maxBytes) break;
      taken.push(frame.bytes);
      bytes += frame.bytes.length;
    }
    this.#frames.splice(0, taken.length);
    this.#bytes -= bytes;
    return taken.length === 1 ? (taken[0] as Buffer) : Buffer.concat(taken, bytes);
  }

  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** To half the bound, so that a full queue is not gone through at every message. */
  #shrink(): void {
    const kept = this.#frames.filter((frame) => frame.isEssential);
    let bytes = kept.reduce((total, frame) => total + frame.bytes.length, 0);
    let first = 0;
    for (; bytes > MAX_QUEUED_BYTES / 2 && first < kept.length - 1; first++) bytes -= kept[first]?.bytes.length ?? 0;
    this.droppedFrames += this.#frames.length - (kept.length - first);
    this.#frames = kept.slice(first);
    this.#bytes = bytes;
  }
}
