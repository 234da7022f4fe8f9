/** Two readings of the kernel's totals, made into figures of the interval between them. Pure. */
import type { CpuTimes, DiskCounters, InterfaceBytes } from './proc.ts';

/** Busy share of all CPUs, 0 to 1; null without two readings. */
export function cpuRatio(before: CpuTimes | null, now: CpuTimes | null): number | null {
  if (!before || !now) return null;
  const total = now.total - before.total;
  return total > 0 ? clampRatio((now.busy - before.busy) / total) : null;
}

/**
 * Which interfaces count as the host's network: those with a device behind them, so that a bridge or a tunnel is not counted
 * on top of the card that carries it; where none has one (containers), all but the loopback; the loopback only where there
 * is nothing else.
 */
export function countedInterfaces(
  interfaces: readonly InterfaceBytes[],
  withDevice: ReadonlySet<string>,
): readonly InterfaceBytes[] {
  const physical = interfaces.filter(({ name }) => withDevice.has(name));
  if (physical.length > 0) return physical;
  const outward = interfaces.filter(({ name }) => name !== 'lo');
  return outward.some(({ received, sent }) => received + sent > 0) ? outward : interfaces;
}

export interface NetworkRates {
  readonly receiveBytesPerSecond: number | null;
  readonly sendBytesPerSecond: number | null;
}

/** Only interfaces in both readings count: one that has come or gone would show as a leap. */
export function networkRates(
  before: readonly InterfaceBytes[],
  now: readonly InterfaceBytes[],
  elapsedMs: number,
): NetworkRates {
  const earlier = new Map(before.map((each) => [each.name, each]));
  let [received, sent, counted] = [0, 0, 0];
  for (const each of now) {
    const then = earlier.get(each.name);
    if (!then || each.received < then.received || each.sent < then.sent) continue;
    received += each.received - then.received;
    sent += each.sent - then.sent;
    counted += 1;
  }
  const perSecond = (bytes: number) => (counted > 0 && elapsedMs > 0 ? (bytes * 1000) / elapsedMs : null);
  return { receiveBytesPerSecond: perSecond(received), sendBytesPerSecond: perSecond(sent) };
}

export interface DiskRates {
  readonly readLatencyMs: number | null;
  readonly writeLatencyMs: number | null;
  readonly readBytesPerSecond: number | null;
  readonly writeBytesPerSecond: number | null;
  readonly busyRatio: number | null;
}

export const unknownDiskRates: DiskRates = {
  readLatencyMs: null,
  writeLatencyMs: null,
  readBytesPerSecond: null,
  writeBytesPerSecond: null,
  busyRatio: null,
};

/** Unknown without two readings, and when a total went back: the device is another one. */
export function diskRates(
  before: DiskCounters | undefined,
  now: DiskCounters | undefined,
  elapsedMs: number,
): DiskRates {
  if (!before || !now || elapsedMs <= 0) return unknownDiskRates;
  const reads = now.reads - before.reads;
  const writes = now.writes - before.writes;
  const readBytes = now.readBytes - before.readBytes;
  const writtenBytes = now.writtenBytes - before.writtenBytes;
  if (Math.min(reads, writes, readBytes, writtenBytes) < 0) return unknownDiskRates;
  return {
    readLatencyMs: reads > 0 ? Math.max(0, now.readMs - before.readMs) / reads : null,
    writeLatencyMs: writes > 0 ? Math.max(0, now.writeMs - before.writeMs) / writes : null,
    readBytesPerSecond: (readBytes * 1000) / elapsedMs,
    writeBytesPerSecond: (writtenBytes * 1000) / elapsedMs,
    busyRatio: clampRatio((now.busyMs - before.busyMs) / elapsedMs),
  };
}

function clampRatio(ratio: number): number {
  return Math.min(1, Math.max(0, ratio));
}
