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

  /** Everything, as one piece; the queue is empty afterwards. */
  take(): Buffer {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    const only = frames.length === 1 ? frames[0] : undefined;
    return only ? only.bytes : Buffer.concat(frames.map((frame) => frame.bytes));
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
