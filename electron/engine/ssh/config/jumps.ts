/** ProxyJump's value: hosts to go through, in the order of the way there. Pure. */
import { ConfigError } from './config-error.ts';

export interface JumpHost {
  host: string;
  /** null: as the configuration says for that host. */
  user: string | null;
  /** null: as the configuration says for that host. */
  port: number | null;
}

/** "none" or "[user@]host[:port], …", each also as "ssh://…". Throws ConfigError. */
export function parseJumps(value: string): JumpHost[] {
  return value.toLowerCase() === 'none' || value === '' ? [] : value.split(',').map((one) => parseJump(one.trim()));
}

/** For messages and for ssh's -J: the inverse of `parseJumps`. */
export function formatJumps(jumps: readonly JumpHost[]): string {
  const one = ({ user, host, port }: JumpHost): string => {
    const place = host.includes(':') ? `[${host}]` : host;
    return `${user === null ? '' : `${user}@`}${place}${port === null ? '' : `:${port}`}`;
  };
  return jumps.map(one).join(',');
}

function parseJump(value: string): JumpHost {
  const place = value.replace(/^ssh:\/\//i, '').replace(/\/$/, '');
  const at = place.lastIndexOf('@');
  const user = at === -1 ? null : place.slice(0, at);
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(place.slice(at + 1));
  const host = parts?.[1] ?? parts?.[2] ?? '';
  const port = parts?.[3] === undefined ? null : Number(parts[3]);
  const isSound = host !== '' && !host.startsWith('-') && user !== '' && (port === null || (port > 0 && port < 65_536));
  if (!isSound) throw new ConfigError(`ProxyJump: "${value}" is no [user@]host[:port]`);
  return { host, user, port };
}
