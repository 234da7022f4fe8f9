/**
 * Who may speak to the engine from a browser: whoever opened the address with its one-time token, from then on by a cookie
 * that scripts cannot read. Tokens and cookies are 256 random bits and compared in constant time.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export class Sessions {
  #tokens: Buffer[] = [];
  #cookies: Buffer[] = [];
  readonly #cookieName: string;

  /** `port` keeps the cookies of two consoles on one computer apart: browsers ignore the port of a cookie. */
  constructor(port: number) {
    this.#cookieName = `synod-${port}`;
  }

  /** A token that opens one session, once. */
  issueToken(): string {
    const token = randomBytes(32);
    this.#tokens.push(token);
    return token.toString('base64url');
  }

  /** Exchanges a token for the value of a Set-Cookie header; null when the token is wrong or was used. */
  redeem(token: string): string | null {
    const given = Buffer.from(token, 'base64url');
    const index = this.#tokens.findIndex((known) => sameBytes(known, given));
    if (index < 0) return null;
    this.#tokens.splice(index, 1);
    const cookie = randomBytes(32);
    this.#cookies.push(cookie);
    return `${this.#cookieName}=${cookie.toString('base64url')}; HttpOnly; SameSite=Strict; Path=/`;
  }

  admits(request: IncomingMessage): boolean {
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = part.trim().split('=');
      if (name !== this.#cookieName || value === undefined) continue;
      const given = Buffer.from(value, 'base64url');
      if (this.#cookies.some((known) => sameBytes(known, given))) return true;
    }
    return false;
  }
}

function sameBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
