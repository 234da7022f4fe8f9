/**
 * Reads ssh_config files for one host: which blocks apply (Host, Match), what is included, and which value comes first. Kept apart from
 * what the values mean (`settings.ts`). As OpenSSH does it, the files are read twice where a `Match final` stands in them.
 *
 * Looser than ssh in one point: keywords that Synod has no use for, and lines of blocks that do not apply, are not checked. A
 * configuration for a later OpenSSH serves, too.
 */
import { matchesPattern, matchesPatternList } from '../patterns.ts';
import { ConfigError } from './config-error.ts';
import { expandHostName, expandTilde, expandTokens } from './tokens.ts';
import { argumentsOf, type ConfigLine, configLines, nextDelimited } from './words.ts';
import type { ConfigWorld } from './world.ts';

/** `word`: one. `words`: several on one line. `each`: one on each of several lines. `rest`: the line as it stands. */
const keywords: Readonly<Record<string, 'word' | 'words' | 'each' | 'rest'>> = {
  addressfamily: 'word',
  bindaddress: 'word',
  canonicaldomains: 'words',
  canonicalizehostname: 'word',
  canonicalizemaxdots: 'word',
  certificatefile: 'each',
  connecttimeout: 'word',
  globalknownhostsfile: 'words',
  hostkeyalgorithms: 'word',
  hostkeyalias: 'word',
  hostname: 'word',
  identitiesonly: 'word',
  identityagent: 'word',
  identityfile: 'each',
  kbdinteractiveauthentication: 'word',
  passwordauthentication: 'word',
  pkcs11provider: 'word',
  port: 'word',
  proxycommand: 'rest',
  proxyjump: 'rest',
  pubkeyauthentication: 'word',
  serveralivecountmax: 'word',
  serveraliveinterval: 'word',
  stricthostkeychecking: 'word',
  user: 'word',
  userknownhostsfile: 'words',
};

const olderNames: Readonly<Record<string, string>> = {
  challengeresponseauthentication: 'kbdinteractiveauthentication',
  skeyauthentication: 'kbdinteractiveauthentication',
  tisauthentication: 'kbdinteractiveauthentication',
  dsaauthentication: 'pubkeyauthentication',
  smartcarddevice: 'pkcs11provider',
};

/** As ssh: an Include that leads back to its own file must end somewhere. */
const MAX_INCLUDE_DEPTH = 16;

/** Keyword (lower case) → values in file order; for all but `each` the words of the first line that applied. */
export type RawSettings = Map<string, string[]>;

interface Place {
  path: string;
  kind: 'user' | 'system';
  depth: number;
  /** False within a block that does not apply: nothing in an included file can then. */
  mayApply: boolean;
}

export class Evaluation {
  readonly settings: RawSettings;
  /** A `Match final` was met: the files want to be read again once the host name is settled. */
  wantsFinalPass = false;
  readonly #originalHost: string;
  readonly #world: ConfigWorld;
  /** The settled host name; null in the first pass. */
  readonly #finalHost: string | null;

  readonly #onHostNames: (names: readonly string[]) => void;

  /**
   * `settings`: what was set before (on the command line, in the first pass) and therefore wins. `onHostNames` is called with what
   * stands in each Host line, whether it applies or not.
   */
  constructor(
    asked: {
      host: string;
      settings: RawSettings;
      finalHost: string | null;
      onHostNames?: (names: readonly string[]) => void;
    },
    world: ConfigWorld,
  ) {
    this.#onHostNames = asked.onHostNames ?? (() => {});
    this.#originalHost = asked.host;
    this.settings = asked.settings;
    this.#finalHost = asked.finalHost;
    this.#world = world;
  }

  async run(): Promise<void> {
    for (const file of this.#world.files) await this.#readFile({ ...file, depth: 0, mayApply: true });
  }

  async #readFile(place: Place): Promise<void> {
    if (place.depth > MAX_INCLUDE_DEPTH) throw new ConfigError(`${place.path}: too many Includes within each other`);
    const text = await this.#world.read(place.path);
    if (text === null) return;
    let applies = place.mayApply;
    for (const line of configLines(text)) {
      try {
        if (line.keyword === 'host') applies = this.#isHost(wordsOf(line)) && place.mayApply;
        else if (line.keyword === 'match') applies = await this.#matches(line.rest, place.mayApply);
        else if (line.keyword === 'include') await this.#include(wordsOf(line), { ...place, mayApply: applies });
        else if (applies) this.#set(line);
      } catch (error) {
        if (!(error instanceof ConfigError) || error.message.includes(' line ')) throw error;
        throw new ConfigError(`${place.path} line ${line.number}: ${error.message}`, { cause: error });
      }
    }
  }

  /** The name that was asked for; in the final pass the settled one. */
  #isHost(patterns: readonly string[]): boolean {
    this.#onHostNames(patterns);
    const name = this.#finalHost ?? this.#originalHost;
    if (patterns.some((one) => one.startsWith('!') && matchesPattern(one.slice(1), name))) return false;
    return patterns.some((one) => !one.startsWith('!') && matchesPattern(one, name));
  }

  async #include(patterns: readonly string[], place: Place): Promise<void> {
    const folder = place.kind === 'user' ? `${this.#world.home}/.ssh` : '/etc/ssh';
    for (const pattern of patterns) {
      const path = expandTilde(pattern, this.#world.home);
      const found = await this.#world.glob(path.startsWith('/') ? path : `${folder}/${path}`);
      for (const one of found) await this.#readFile({ ...place, path: one, depth: place.depth + 1 });
    }
  }

  #set(line: ConfigLine): void {
    const name = olderNames[line.keyword] ?? line.keyword;
    const kind = keywords[name];
    if (kind === undefined) return;
    const words = wordsOf(line);
    if (kind === 'rest') {
      this.#setProxy(name, line.rest.replace(/^[ \t=]+/, ''));
      return;
    }
    const [first] = words;
    if (first === undefined || first === '') throw new ConfigError(`${line.keyword} has no value`);
    if (kind !== 'words' && words.length > 1) throw new ConfigError(`${line.keyword} takes one value`);
    const present = this.settings.get(name);
    if (present === undefined) this.settings.set(name, kind === 'words' ? words : [first]);
    else if (kind === 'each' && !present.includes(first)) present.push(first);
  }

  /** ProxyJump and ProxyCommand are two answers to one question: whichever comes first counts. */
  #setProxy(name: string, value: string): void {
    if (this.settings.has('proxycommand') || this.settings.has('proxyjump')) return;
    this.settings.set(name, [name === 'proxyjump' ? value.replace(/#.*$/, '').trimEnd() : value]);
  }

  async #matches(criteria: string, mayApply: boolean): Promise<boolean> {
    let holds = mayApply;
    let count = 0;
    for (let left = criteria; ; ) {
      const { word, rest } = nextDelimited(left);
      if (word === '' || word.startsWith('#')) break;
      const negated = word.startsWith('!');
      const criterion = word.slice(negated ? 1 : 0).toLowerCase();
      count += 1;
      if (criterion === 'all') {
        if (count > 2 || !/^(#|$)/.test(rest)) throw new ConfigError('"all" cannot be combined with other criteria');
        return holds && !negated;
      }
      left = rest;
      if (criterion === 'final' || criterion === 'canonical') {
        this.wantsFinalPass ||= criterion === 'final';
        if ((this.#finalHost !== null) === negated) holds = false;
        continue;
      }
      const argument = nextDelimited(left);
      if (argument.word === '' || argument.word.startsWith('#'))
        throw new ConfigError(`Match ${criterion} has no value`);
      left = argument.rest;
      // As ssh: what is decided already runs no command.
      if (criterion === 'exec' && !holds) continue;
      if ((await this.#holds(criterion, argument.word)) === negated) holds = false;
    }
    if (count === 0) throw new ConfigError('Match has no criteria');
    return holds;
  }

  async #holds(criterion: string, argument: string): Promise<boolean> {
    const { localUser } = this.#world;
    const tokens = this.#tokens();
    switch (criterion) {
      case 'host':
        return matchesPatternList(argument.toLowerCase(), tokens.hostName.toLowerCase());
      case 'originalhost':
        return matchesPatternList(argument.toLowerCase(), this.#originalHost.toLowerCase());
      case 'user':
        return matchesPatternList(argument, tokens.user);
      case 'localuser':
        return matchesPatternList(argument, localUser);
      case 'exec':
        return await this.#world.succeeds(expandTokens(argument, tokens, this.#world));
      default:
        throw new ConfigError(`Match ${criterion} is not known to Synod`);
    }
  }

  /** As far as the settings have come by now. */
  #tokens() {
    const first = (name: string): string | undefined => this.settings.get(name)?.[0];
    const named = first('hostname');
    return {
      hostName:
        this.#finalHost ?? (named === undefined ? this.#originalHost : expandHostName(named, this.#originalHost)),
      originalHost: this.#originalHost,
      hostKeyAlias: first('hostkeyalias') ?? null,
      port: Number(first('port') ?? 22),
      user: first('user') ?? this.#world.localUser,
      jumpHost: '',
    };
  }
}

function wordsOf(line: ConfigLine): string[] {
  const words = argumentsOf(line.rest);
  if (words === null) throw new ConfigError('a quote is not closed');
  return words;
}
