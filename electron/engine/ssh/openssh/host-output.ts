/** What a command writes, as a stream that lets the host send more only as fast as somebody reads. */
import { Readable } from 'node:stream';

export class HostOutput extends Readable {
  readonly #taken: (bytes: number) => void;
  /** Delivered, and too much for the moment. */
  #untakenBytes = 0;

  /** `taken`: called with what the host may send anew. */
  constructor(taken: (bytes: number) => void) {
    super();
    this.#taken = taken;
  }

  deliver(bytes: Buffer): void {
    const hasRoom = this.destroyed || this.readableEnded || this.push(bytes);
    if (hasRoom) this.#taken(bytes.length);
    else this.#untakenBytes += bytes.length;
  }

  override _read(): void {
    const bytes = this.#untakenBytes;
    this.#untakenBytes = 0;
    if (bytes > 0) this.#taken(bytes);
  }
}
