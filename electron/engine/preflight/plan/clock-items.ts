/** Whether a host's clock is right, and whether anything keeps it so. */
import type { CheckItem } from '../../../contract/model.ts';
import type { HostProbe } from '../probe.ts';
import { fail, pass, unknown, warn } from './check-item.ts';
import { startClockService } from './fixes.ts';

/** Certificates, leases and timelines bear this much. */
const SMALL_OFFSET_MS = 250;
/** From here on timelines lie and young certificates are not valid yet. */
const WRONG_OFFSET_MS = 10_000;

export interface ClockReading {
  /** Host clock minus this computer's, milliseconds; null: not told. */
  readonly offsetMs: number | null;
  /** Of all hosts that were checked together, this one included; fewer than three: this computer's clock, 0. */
  readonly medianOffsetMs: number;
  readonly comparedHosts: number;
}

export function clockItems(reading: ClockReading, { clock }: HostProbe): CheckItem[] {
  return [offsetItem(reading), disciplineItem(clock)];
}

function offsetItem({ offsetMs, medianOffsetMs, comparedHosts }: ClockReading): CheckItem {
  if (offsetMs === null) return unknown('clock', 'not told', 'See `date` on the host.');
  const fromMedian = offsetMs - medianOffsetMs;
  const reference = comparedHosts >= 3 ? `the median of ${comparedHosts} hosts` : "this computer's";
  const found = `${sayOffset(fromMedian)} from ${reference}`;
  const size = Math.abs(fromMedian);
  if (size >= WRONG_OFFSET_MS)
    return fail('clock', found, 'Set the clock and keep it by time synchronisation; then check again.');
  if (size >= SMALL_OFFSET_MS) return warn('clock', found, 'Set up time synchronisation (chrony, systemd-timesyncd).');
  return pass('clock', found);
}

function disciplineItem(clock: HostProbe['clock']): CheckItem {
  const check = 'clock service';
  if (clock.service === null) {
    const fix = clock.installed === null ? null : startClockService(clock.installed);
    const nextStep = fix ? `Start ${clock.installed}.` : 'Install chrony, or tell the hypervisor to keep the clock.';
    return warn(check, 'nothing that we know keeps the clock', nextStep, fix);
  }
  if (clock.isSynchronised === null)
    return unknown(check, `${clock.service} runs; whether it is in step is not told`, null);
  return clock.isSynchronised
    ? pass(check, `${clock.service}, in step`)
    : warn(check, `${clock.service} runs, not in step yet`, 'See whether it reaches its time servers.');
}

function sayOffset(milliseconds: number): string {
  const size = Math.abs(milliseconds);
  const sign = milliseconds < 0 ? '-' : '+';
  return size >= WRONG_OFFSET_MS ? `${sign}${Math.round(size / 1000)} s` : `${sign}${Math.round(size)} ms`;
}

/** Of offsets that are known; 0, this computer's clock, where fewer than three are: two cannot outvote each other. */
export function medianOffset(offsets: readonly (number | null)[]): { medianOffsetMs: number; comparedHosts: number } {
  const known = offsets.filter((offset) => offset !== null).sort((a, b) => a - b);
  if (known.length < 3) return { medianOffsetMs: 0, comparedHosts: known.length };
  return { medianOffsetMs: known[Math.floor(known.length / 2)] ?? 0, comparedHosts: known.length };
}
