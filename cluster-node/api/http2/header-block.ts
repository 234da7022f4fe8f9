/**
 * Writes header blocks for answers: literals that the peer does not index. They depend on nothing that went before, so a
 * block can be made once and sent on any connection; it costs a few bytes more than HPACK could.
 */
const LITERAL = 0x00;
const STATUS_200 = 0x88;
const LENGTH_MASK = 0x7f;

/** Said once after a peer has set the size of our table: we use none of it (RFC 7541, 4.2). */
export const noTable = Buffer.from([0x20]);

/** Names in lower case, pseudo-headers first. Strings hold one byte a character. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(headers).map(([name, value]) =>
      name === ':status' && value === '200'
        ? Buffer.from([STATUS_200])
        : Buffer.concat([Buffer.from([LITERAL]), text(name), text(value)]),
    ),
  );
}

function text(value: string): Buffer {
  const length = value.length < LENGTH_MASK ? [value.length] : [LENGTH_MASK, ...rest(value.length - LENGTH_MASK)];
  return Buffer.concat([Buffer.from(length), Buffer.from(value, 'latin1')]);
}

function rest(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...rest(Math.floor(value / 128))];
}
