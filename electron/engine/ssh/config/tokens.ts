/** Tokens, variables and `~` in the values of ssh_config (ssh_config(5), "TOKENS" and "ENVIRONMENT VARIABLES"). Pure. */
import { createHash } from 'node:crypto';
import { ConfigError } from './config-error.ts';
import type { ConfigWorld } from './world.ts';

/** What the tokens stand for, for one host. */
export interface TokenValues {
  /** `%h` */
  hostName: string;
  /** `%n` */
  originalHost: string;
  /** `%k`; null: the original host. */
  hostKeyAlias: string | null;
  /** `%p` */
  port: number;
  /** `%r` */
  user: string;
  /** `%j` */
  jumpHost: string;
}

type Person = Pick<ConfigWorld, 'home' | 'localUser' | 'uid' | 'localHostname' | 'environment'>;

/** Throws ConfigError for a token that is not one. */
export function expandTokens(value: string, tokens: TokenValues, person: Person): string {
  const { hostName, originalHost, port, user } = tokens;
  const hash = createHash('sha1').update(`${person.localHostname}${hostName}${port}${user}`).digest('hex');
  const meanings: Readonly<Record<string, string>> = {
    '%': '%',
    C: hash,
    L: person.localHostname.split('.')[0] ?? '',
    d: person.home,
    h: hostName,
    i: String(person.uid),
    j: tokens.jumpHost,
    k: tokens.hostKeyAlias ?? originalHost,
    l: person.localHostname,
    n: originalHost,
    p: String(port),
    r: user,
    u: person.localUser,
  };
  return replaceTokens(value, meanings);
}

/** HostName knows `%h` (the name that was asked for) and `%%` only. */
export function expandHostName(value: string, originalHost: string): string {
  return replaceTokens(value, { h: originalHost, '%': '%' });
}

/** Tokens, `${VARIABLE}` and a leading `~`. Throws ConfigError, also for a variable that is not set. */
export function expandPath(value: string, tokens: TokenValues, person: Person): string {
  const withHome = expandTilde(value, person.home);
  return expandTokens(withHome, tokens, person).replace(/\$\{([^}]*)\}/g, (_all, name: string) => {
    const known = person.environment[name];
    if (known === undefined) throw new ConfigError(`"${value}" names the variable ${name}, which is not set`);
    return known;
  });
}

/** Homes of other users are not looked up: `~name/…` stays as it is. */
export function expandTilde(value: string, home: string): string {
  return value === '~' || value.startsWith('~/') ? home + value.slice(1) : value;
}

function replaceTokens(value: string, meanings: Readonly<Record<string, string>>): string {
  return value.replace(/%(.?)/g, (_all, letter: string) => {
    const meaning = meanings[letter];
    if (meaning === undefined) throw new ConfigError(`"${value}" holds the token %${letter}, which means nothing here`);
    return meaning;
  });
}
