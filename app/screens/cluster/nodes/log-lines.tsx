import { cn } from '../../../ui/class-names.ts';
import { formatClock } from '../../../ui/format.ts';
import { type LogLevel, readLogLine } from './log-line.ts';

const tones: Record<LogLevel, string> = {
  trace: 'text-faint',
  debug: 'text-faint',
  info: 'text-dim',
  warn: 'text-warn',
  error: 'text-bad',
  fatal: 'font-semibold text-bad',
};

/** Records of a log, one line each; what is no record stands as it is. */
export function LogLines({ lines }: { lines: readonly string[] }) {
  return (
    <ol className="grid gap-px text-xs leading-relaxed">
      {lines.map((raw, index) => {
        const { read } = readLogLine(raw);
        return (
          // oxlint-disable-next-line react/no-array-index-key -- lines repeat, and the list is replaced as a whole
          <li key={index} className="grid grid-cols-[92px_44px_minmax(0,1fr)] gap-x-2">
            {read === null ? (
              <span className="col-span-3 font-mono break-words">{raw}</span>
            ) : (
              <>
                <span className="font-mono text-faint">
                  {read.atUnixMs === null ? '' : formatClock(read.atUnixMs, true)}
                </span>{' '}
                <span className={cn(tones[read.level])}>{read.level}</span>{' '}
                <span className="break-words">
                  {read.message}
                  {read.fields.map(([name, value]) => (
                    <span key={name} className="text-faint">
                      {' '}
                      · {name} {value}
                    </span>
                  ))}
                </span>
              </>
            )}
          </li>
        );
      })}
    </ol>
  );
}
