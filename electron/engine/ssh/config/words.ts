/** Lines of ssh_config, cut into words exactly as OpenSSH does it (readconf.c and misc.c of OpenSSH 9.2). Pure. */

export interface ConfigLine {
  /** From 1. */
  number: number;
  /** Lower case. */
  keyword: string;
  /** What follows the keyword, as it stands. */
  rest: string;
}

/** Empty lines and comments are left out. */
export function configLines(text: string): ConfigLine[] {
  return text.split('\n').flatMap((line, index) => {
    const trimmed = line.replace(/[ \t\r\n\f]+$/, '').replace(/^[ \t]+/, '');
    if (trimmed === '' || trimmed.startsWith('#')) return [];
    const { word, rest } = nextDelimited(trimmed);
    return [{ number: index + 1, keyword: word.toLowerCase(), rest }];
  });
}

/**
 * The next word up to white space or one `=`, and what follows it. A word that begins with a double quote ends with the next one.
 * So are keywords told from their arguments, and all words of a Match line.
 */
export function nextDelimited(text: string): { word: string; rest: string } {
  const end = text.search(/[ \t\r\n"=]/);
  if (end === -1) return { word: text, rest: '' };
  if (text[end] === '"') {
    const close = text.indexOf('"', end + 1);
    if (close === -1) return { word: '', rest: '' };
    return { word: text.slice(0, end) + text.slice(end + 1, close), rest: skipSpace(text.slice(close + 1)) };
  }
  const rest = skipSpace(text.slice(end + 1));
  const equalsFollows = text[end] !== '=' && rest.startsWith('=');
  return { word: text.slice(0, end), rest: equalsFollows ? skipSpace(rest.slice(1)) : rest };
}

/** The arguments of a keyword, with quotes and backslashes taken away, up to a comment; null: a quote is not closed. */
export function argumentsOf(text: string): string[] | null {
  const words: string[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === ' ' || text[at] === '\t') continue;
    if (text[at] === '#') break;
    let word = '';
    let quote = '';
    for (; at < text.length; at++) {
      const character = text[at] ?? '';
      const next = text[at + 1] ?? '';
      if (character === '\\' && (next === "'" || next === '"' || next === '\\' || (quote === '' && next === ' '))) {
        word += next;
        at += 1;
      } else if (quote === '' && (character === ' ' || character === '\t')) break;
      else if (quote === '' && (character === '"' || character === "'")) quote = character;
      else if (quote !== '' && character === quote) quote = '';
      else word += character;
    }
    if (quote !== '') return null;
    words.push(word);
  }
  return words;
}

function skipSpace(text: string): string {
  return text.replace(/^[ \t\r\n]+/, '');
}
