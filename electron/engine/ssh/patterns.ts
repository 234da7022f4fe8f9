/** Patterns as ssh_config(5), "PATTERNS", and known_hosts have them. Pure. */

/** `*` is any run of characters, `?` any one; the whole text must match, and case counts. */
export function matchesPattern(pattern: string, text: string): boolean {
  // Where the last `*` stood and how much of the text it had taken: enough to step back to, and linear without a regular expression.
  let star = -1;
  let taken = 0;
  let at = 0;
  for (let index = 0; index < text.length; ) {
    if (pattern[at] === '*') {
      star = at++;
      taken = index;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[index])) {
      at += 1;
      index += 1;
    } else if (star !== -1) {
      at = star + 1;
      index = ++taken;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

/** A comma-separated list: one that begins with `!` and matches decides against, wherever it stands. */
export function matchesPatternList(list: string, text: string): boolean {
  const patterns = list.split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), text))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matchesPattern(pattern, text));
}
