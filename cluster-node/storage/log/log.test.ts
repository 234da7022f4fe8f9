import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import type { Entry } from '../../contract/peer.ts';
import { MARK_FILE, segmentFile, segmentOf } from './commands.ts';
import { History, LogUnderTest, randomFrom, SEGMENT_BYTES } from './log-under-test.ts';
import type { RecoveredLog } from './scan.ts';

/** Nothing acknowledged is forgotten or wrong: it is there, or it is called faulty. */
function expectNothingForgotten(log: LogUnderTest, recovered: RecoveredLog): void {
  expect(recovered.promised).toBeGreaterThanOrEqual(log.promised);
  const accepted = new Map(recovered.accepted.map((entry) => [entry.slot, entry]));
  const faulty = new Map(recovered.faulty.map(({ slot, ballot }) => [slot, ballot]));
  log.index = recovered.index;
  for (const [slot, truth] of log.accepted) {
    if (slot <= recovered.baseSlot) continue;
    const found = (slot <= recovered.decidedUpTo ? log.entry(slot) : accepted.get(slot)) ?? null;
    const isFaulty = faulty.has(slot) && slot > recovered.decidedUpTo;
    const isRight = isFaulty
      ? found === null
      : found !== null && (found.ballot > truth.ballot || isDeepStrictEqual(found, truth));
    expect(isRight, `slot ${slot}`).toBe(true);
  }
}

function grow(seed: number, steps: number): { log: LogUnderTest; history: History; random: (below: number) => number } {
  const random = randomFrom(seed);
  const log = new LogUnderTest();
  const history = new History(random);
  for (let step = 0; step < steps; step++) {
    history.step(log);
    if (random(3) > 0) log.run();
    if (random(10) === 0) log.planner.vouch();
  }
  return { log, history, random };
}

test('a log that was stopped cleanly is recovered whole, across segments', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const { log } = grow(seed, 200);
    log.stop();
    const recovered = log.recover();
    expect(recovered).toMatchObject({ amnesia: null, damages: [], faulty: [], droppedBytes: 0 });
    expect(recovered).toMatchObject({ promised: recovered.promised, decidedUpTo: log.decidedUpTo });
    expectNothingForgotten(log, recovered);
    expect(recovered.position.segment).toBeGreaterThan(3);
  }
});

test('a crash at any write, torn anywhere, loses nothing that was acknowledged, life after life', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const { log, history, random } = grow(seed, 20);
    for (let life = 0; life < 6; life++) {
      for (let step = random(40); step >= 0; step--) {
        history.step(log);
        if (random(2) === 0) log.run();
        if (random(6) === 0) log.planner.vouch();
      }
      const write = log.run(1 + random(3));
      if (write?.kind === 'write') {
        // Sectors reach the disk in any order.
        const file = log.files.get(write.file) as Uint8Array;
        for (let at = 0; at < write.bytes.length; at += 64)
          if (random(2) === 0) file.set(write.bytes.subarray(at, at + 64), write.offset + at);
      }
      const recovered = log.recover();
      expect(recovered.amnesia, `seed ${seed}`).toBeNull();
      expect(recovered.faulty).toEqual([]);
      expectNothingForgotten(log, recovered);
      for (const entry of recovered.accepted) log.accepted.set(entry.slot, entry);
      log.restart(recovered);
      history.resume(recovered);
    }
  }
});

test('what the disk did to synced records is never forgotten: faulty slots, or amnesia', () => {
  const verdicts = { sound: 0, faulty: 0, amnesiac: 0 };
  for (let seed = 1; seed <= 400; seed++) {
    const { log, random } = grow(seed, 60 + (seed % 50));
    log.stop();
    for (let damages = 1 + random(3); damages > 0; damages--) damage(log, random);
    const recovered = log.recover();
    if (recovered.amnesia !== null) {
      verdicts.amnesiac += 1;
      continue;
    }
    expect(recovered.damages.length).toBeGreaterThan(0);
    verdicts[recovered.faulty.length > 0 ? 'faulty' : 'sound'] += 1;
    expectNothingForgotten(log, recovered);
  }
  expect(verdicts.faulty).toBeGreaterThan(100);
  expect(verdicts.sound).toBeGreaterThan(20);
  expect(verdicts.amnesiac).toBeLessThan(120);
});

/** Flips, zeroes, or misdirects within what is used; or takes a whole segment away. */
function damage(log: LogUnderTest, random: (below: number) => number): void {
  const files = [...log.files.keys()].filter((file) => file !== MARK_FILE);
  const name = files[random(files.length)] as string;
  const file = log.files.get(name) as Uint8Array;
  const used = file.findLastIndex((byte) => byte !== 0) + 1;
  if (used < 9) return damage(log, random);
  const at = 8 + random(used - 8);
  switch (random(5)) {
    case 0:
      file[at] = (file[at] as number) ^ (1 << random(8));
      return;
    case 1:
      return void file.fill(0, at & ~7, Math.min(used, at + 1 + random(600)));
    case 2: {
      const other = log.files.get(files[random(files.length)] as string) as Uint8Array;
      const from = random(SEGMENT_BYTES - 600) & ~7;
      return file.set(other.slice(from, from + 100 + random(500)), Math.min(at & ~7, SEGMENT_BYTES - 600));
    }
    case 3:
      for (let byte = at; byte < Math.min(used, at + 64); byte++) file[byte] = random(256);
      return;
    default:
      if (random(4) === 0 && segmentOf(name.slice(4)) !== 1) log.files.delete(name);
      else file[at] = (file[at] as number) ^ 0xff;
  }
}

test('faulty slots that are written anew are whole after the next start', () => {
  const { log } = grow(7, 80);
  log.stop();
  const place = log.index.find(log.decidedUpTo) as { segment: number; offset: number };
  (log.files.get(segmentFile(place.segment)) as Uint8Array).fill(0xaa, place.offset + 8, place.offset + 40);
  const first = log.recover();
  const { ballot } = log.accepted.get(log.decidedUpTo) as Entry;
  expect(first).toMatchObject({ decidedUpTo: log.decidedUpTo - 1, faulty: [{ slot: log.decidedUpTo, ballot }] });
  expect(first.damages).toMatchObject([{ kind: 'bitRot', offset: place.offset }]);
  log.restart(first);
  for (const { slot } of first.faulty) {
    const entry = log.accepted.get(slot);
    if (entry) log.append({ kind: 'accepted', entry });
  }
  log.append({ kind: 'decided', upTo: log.decidedUpTo });
  log.stop();
  const second = log.recover();
  expect(second).toMatchObject({ amnesia: null, faulty: [], decidedUpTo: log.decidedUpTo });
  expectNothingForgotten(log, second);
});

test('trimming removes whole segments, keeps every vow, and survives a crash at any point', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { log, history, random } = grow(seed, 150);
    log.stop();
    const before = log.files.size;
    const snapshotSlot = Math.max(1, history.decidedUpTo - random(20));
    log.planner.trim({ snapshotSlot, keepFrom: snapshotSlot - 10 });
    log.run(1 + random(3));
    const crashed = log.recover();
    expect(crashed).toMatchObject({ amnesia: null, faulty: [] });
    expectNothingForgotten(log, crashed);
    log.restart(crashed);
    log.planner.trim({ snapshotSlot, keepFrom: snapshotSlot - 10 });
    log.stop();
    expect(log.files.size).toBeLessThan(before);
    const recovered = log.recover();
    expect(recovered).toMatchObject({ amnesia: null, faulty: [], baseSlot: snapshotSlot, damages: [] });
    expect(recovered.promised).toBeGreaterThanOrEqual(log.promised);
    expectNothingForgotten(log, recovered);
    expect(recovered.index.find(Math.max(1, snapshotSlot - 10))).not.toBeNull();
  }
});

test('a snapshot from a peer takes the log over slots that it lacks', () => {
  const { log } = grow(3, 50);
  log.stop();
  log.planner.installSnapshot(100_000);
  log.run();
  const value = new Uint8Array([1]);
  log.append({ kind: 'accepted', entry: { slot: 100_001, ballot: 9_000_000, value, digest: 0xa505df1b } });
  log.append({ kind: 'decided', upTo: 100_001 });
  log.stop();
  expect([...log.files.keys()].sort()).toHaveLength(3);
  const recovered = log.recover();
  expect(recovered).toMatchObject({ amnesia: null, faulty: [], baseSlot: 100_000, decidedUpTo: 100_001 });
  expect(recovered.index.firstSlot).toBe(100_001);
});

test('a log without its end, or with nothing that explains a loss, is amnesiac', () => {
  const { log } = grow(5, 80);
  log.stop();
  const last = log.recover().position.segment;
  const name = segmentFile(last);
  const whole = (log.files.get(name) as Uint8Array).slice();
  log.files.delete(name);
  expect(log.recover().amnesia).toMatch(/was on disk once, but the log ends before record/);
  log.files.set(name, whole.slice().fill(0, 8));
  expect(log.recover().amnesia).toMatch(/was on disk once/);
  log.files.set(name, whole);
  expect(log.recover().amnesia).toBeNull();
});
