/**
 * Small files onto a host: one shell script on stdin, so that no content (keys!) shows in a process list. Each file is
 * written aside, synced and renamed; a file that has the very content already is left alone.
 */
import { randomBytes } from 'node:crypto';
import { shellQuote } from '../../ssh/shell-command.ts';
import type { NodeFile } from '../plan/node-files.ts';

const head = `
set -eu
umask 077
cd "$HOME"
folder() {
  [ ! -L "$1" ] || { echo "$1 is a link, not a folder of its own" >&2; exit 73; }
  mkdir -p "$1"
}
put() {
  [ ! -L "$1" ] && { [ ! -e "$1" ] || [ -f "$1" ]; } || { echo "$1 is not a plain file" >&2; exit 73; }
  rm -f "$1.synod-new"
  cat > "$1.synod-new"
  if cmp -s "$1.synod-new" "$1"; then rm "$1.synod-new"; echo "same=$1"; return; fi
  sync "$1.synod-new"
  mv -f "$1.synod-new" "$1"
  echo "put=$1"
}
`;

/**
 * A script for \`sh -s\`. \`folders\`, parents first, are made when they are missing (mode 0700) and synced at the end; a link in
 * place of one ends it before anything is written. Prints \`put=<path>\` or
 * \`same=<path>\` per file.
 */
export function putFilesScript(files: readonly NodeFile[], folders: readonly string[]): string {
  // The delimiter is random, so that no content can end its own document.
  const end = `SYNOD_${randomBytes(12).toString('hex')}`;
  const documents = files.map((file) => {
    const newline = file.content.endsWith('\n') ? '' : '\n';
    return `put ${shellQuote(file.path)} <<'${end}'\n${file.content}${newline}${end}\n`;
  });
  const made = folders.map(shellQuote).join(' ');
  return `${head}for folder in ${made}; do folder "$folder"; done\n${documents.join('')}sync ${made}\n`;
}

/** How many files were written and how many were there already. */
export function parsePut(stdout: string): { put: number; same: number } {
  const lines = stdout.split('\n');
  return {
    put: lines.filter((line) => line.startsWith('put=')).length,
    same: lines.filter((line) => line.startsWith('same=')).length,
  };
}
