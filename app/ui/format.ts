/** Figures as words. Every function takes plain numbers and gives the text that stands on the screen. */

const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 8204117 → "8,204,117". */
export function formatCount(count: number): string {
  return counts.format(count);
}

/** 91177 → "91 k", 640 → "640", 2_400_000 → "2.4 M". */
export function formatCompact(count: number): string {
  if (Math.abs(count) < 10_000) return formatCount(count);
  if (Math.abs(count) < 1_000_000) return `${counts.format(count / 1000)} k`;
  return `${(count / 1_000_000).toFixed(1)} M`;
}

/** Milliseconds without their unit: two digits that matter. 0.42, 3.9, 212. */
export function formatMs(ms: number): string {
  if (ms === 0) return '0';
  if (ms < 1) return ms.toFixed(2);
  if (ms < 10) return ms.toFixed(1);
  return counts.format(ms);
}

/** A span in words: "212 ms", "4.2 s", "3 min 20 s", "2 h 5 min". */
export function formatSpan(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** How old a figure is: "0.3 s", "12 s", "4 min", "2 h". Negative ages (clocks that disagree) read as now. */
export function formatAge(ms: number): string {
  const age = Math.max(0, ms);
  if (age < 10_000) return `${(age / 1000).toFixed(1)} s`;
  if (age < 90_000) return `${Math.round(age / 1000)} s`;
  if (age < 90 * 60_000) return `${Math.round(age / 60_000)} min`;
  if (age < 48 * 3_600_000) return `${Math.round(age / 3_600_000)} h`;
  return `${Math.round(age / 86_400_000)} d`;
}

/** Time left: "00:41", "1:02:05". Rounds up, so that it reads 00:00 only when nothing is left. */
export function formatCountdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const tail = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, '0')).join(':');
  return seconds < 3600 ? tail : `${Math.floor(seconds / 3600)}:${tail}`;
}

/** Local time of day, "14:21:53" or with `millis` "14:21:53.412". */
export function formatClock(unixMs: number, millis = false): string {
  const date = new Date(unixMs);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0'));
  return millis ? `${parts.join(':')}.${String(date.getMilliseconds()).padStart(3, '0')}` : parts.join(':');
}

/** In [0, 1] → "61 %". */
export function formatPercent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

/** Bytes in powers of 1024: "5.2 GiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** A signed offset: "+1.2 ms", "−4 ms", "+3.1 s". */
export function formatOffset(ms: number): string {
  const sign = ms < 0 ? '−' : '+';
  const size = Math.abs(ms);
  return `${sign}${size < 1000 ? `${formatMs(size)} ms` : `${(size / 1000).toFixed(1)} s`}`;
}

/** 1 → "1 node", 3 → "3 nodes". */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
