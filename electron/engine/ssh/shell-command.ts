/**
 * Commands for a host's shell. A `ShellCommand` can only be made by the `sh` template, which quotes every value put into it:
 * nothing unquoted reaches a shell by accident.
 */
declare const shellCommandBrand: unique symbol;

/** Text for a POSIX shell. */
export type ShellCommand = string & { readonly [shellCommandBrand]: true };

/** One word for a POSIX shell, whatever it holds; a NUL cannot be expressed and throws. */
export function shellQuote(word: string): string {
  if (word.includes('\0')) throw new TypeError('a shell word cannot hold a NUL');
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A part of a command that may be put into another one unquoted, because it was quoted when it was made. */
export class ShellFragment {
  readonly text: ShellCommand;
  constructor(text: ShellCommand) {
    this.text = text;
  }
}

/** Strings and numbers become one quoted word, arrays one word an element, fragments stay as they are. */
export type ShellValue = string | number | readonly (string | number)[] | ShellFragment;

/** `sh\`mkdir -p -- ${path}\``: the literal parts are code (with JavaScript's escapes), every `${}` is a quoted value. */
export function sh(literals: TemplateStringsArray, ...values: ShellValue[]): ShellCommand {
  const text = literals.reduce((built, literal, index) => {
    const value = values[index - 1];
    return value === undefined ? built + literal : built + quoteValue(value) + literal;
  });
  if (text.includes('\0')) throw new TypeError('a command cannot hold a NUL');
  return text as ShellCommand;
}

/** Runs `command` under /bin/sh, whatever the login shell is (fish, csh). */
export function underPosixShell(command: ShellCommand): string {
  return `exec /bin/sh -c ${shellQuote(command)}`;
}

function quoteValue(value: ShellValue): string {
  if (value instanceof ShellFragment) return value.text;
  if (typeof value === 'string') return shellQuote(value);
  if (typeof value === 'number') return shellQuote(String(value));
  return value.map((word) => shellQuote(String(word))).join(' ');
}
