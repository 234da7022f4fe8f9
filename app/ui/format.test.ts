import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatCompact,
  formatCount,
  formatCountdown,
  formatMs,
  formatOffset,
  formatSpan,
  plural,
} from './format.ts';

describe('figures as words', () => {
  it.each([
    [formatCount(8_204_117), '8,204,117'],
    [formatCompact(640), '640'],
    [formatCompact(91_177), '91 k'],
    [formatCompact(2_400_000), '2.4 M'],
    [formatMs(0), '0'],
    [formatMs(0.416), '0.42'],
    [formatMs(3.94), '3.9'],
    [formatMs(1212.4), '1,212'],
    [formatSpan(212), '212 ms'],
    [formatSpan(4_200), '4.2 s'],
    [formatSpan(200_000), '3 min 20 s'],
    [formatSpan(7_500_000), '2 h 5 min'],
    [formatAge(300), '0.3 s'],
    [formatAge(-50), '0.0 s'],
    [formatAge(12_400), '12 s'],
    [formatAge(7_200_000), '2 h'],
    [formatBytes(5_583_457_485), '5.2 GiB'],
    [formatBytes(12), '12 B'],
    [formatOffset(-4), '−4.0 ms'],
    [formatOffset(3_140), '+3.1 s'],
    [plural(1, 'node'), '1 node'],
    [plural(3, 'node'), '3 nodes'],
  ])('%s', (found, wanted) => {
    expect(found).toBe(wanted);
  });

  it('counts down to 00:00 only when nothing is left', () => {
    expect(formatCountdown(40_001)).toBe('00:41');
    expect(formatCountdown(1)).toBe('00:01');
    expect(formatCountdown(0)).toBe('00:00');
    expect(formatCountdown(-5)).toBe('00:00');
    expect(formatCountdown(3_725_000)).toBe('1:02:05');
  });
});
