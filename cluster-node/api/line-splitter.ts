/** Lines out of chunks of bytes, each line bounded: whoever sends an endless line cannot fill the memory. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

export class LineSplitter {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #pendingBytes = 0;

  /** `maxLineBytes` counts the bytes of a line without its newline. */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines completed by this chunk, without newlines, empty ones left out. Throws LineTooLongError. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#pendingBytes = 0;
      if (line !== '') lines.push(line);
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > this.#maxLineBytes) {
      throw new LineTooLongError(`a line is longer than ${this.#maxLineBytes} bytes`);
    }
    this.#parts.push(part);
  }
}
