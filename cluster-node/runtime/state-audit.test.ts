import { describe, expect, it } from 'vitest';
import { StateAudit, type StateDigest } from './state-audit.ts';

const MEMBERS = [1, 2, 3];
const at = (slot: number, digest: string, kind: StateDigest['kind'] = 'changes'): StateDigest => ({
  kind,
  slot,
  digest,
});

describe('the comparison of states', () => {
  it('finds nothing while members agree', () => {
    const audit = new StateAudit(1);
    expect(MEMBERS.flatMap((member) => audit.note(member, at(1024, 'aa'), MEMBERS))).toEqual([]);
  });

  it('finds that this node is the odd one, once', () => {
    const audit = new StateAudit(1);
    audit.note(1, at(1024, 'bb'), MEMBERS);
    expect(audit.note(2, at(1024, 'aa'), MEMBERS)).toEqual([]);
    const finding = { kind: 'selfIsOdd', of: at(1024, 'bb'), majority: 'aa' };
    expect(audit.note(3, at(1024, 'aa'), MEMBERS)).toEqual([finding]);
    expect(audit.note(3, at(1024, 'aa'), MEMBERS)).toEqual([]);
  });

  it('finds that another one is odd, whoever speaks first', () => {
    const audit = new StateAudit(1);
    audit.note(3, at(1024, 'cc'), MEMBERS);
    audit.note(2, at(1024, 'aa'), MEMBERS);
    const finding = { kind: 'peerIsOdd', member: 3, of: at(1024, 'cc'), majority: 'aa' };
    expect(audit.note(1, at(1024, 'aa'), MEMBERS)).toEqual([finding]);
  });

  it('goes on whatever slots a member claims to have reached', () => {
    const audit = new StateAudit(1);
    audit.note(1, at(1024, 'aa'), MEMBERS);
    for (let claim = 1; claim <= 200; claim++) audit.note(3, at(1e12 + 1024 * claim, 'cc'), MEMBERS);
    for (let slot = 2048; slot <= 200 * 1024; slot += 1024) {
      audit.note(2, at(slot, 'aa'), MEMBERS);
      audit.note(3, at(slot, 'aa'), MEMBERS);
      const isBad = slot === 200 * 1024;
      const findings = audit.note(1, at(slot, isBad ? 'bb' : 'aa'), MEMBERS);
      expect(findings.map(({ kind }) => kind)).toEqual(isBad ? ['selfIsOdd'] : []);
    }
  });

  it('calls nobody odd without a majority of all members', () => {
    const two = new StateAudit(1);
    two.note(1, at(1024, 'aa'), [1, 2]);
    expect(two.note(2, at(1024, 'bb'), [1, 2])).toEqual([{ kind: 'split', of: { kind: 'changes', slot: 1024 } }]);
    const five = new StateAudit(1);
    five.note(1, at(1024, 'aa'), [1, 2, 3, 4, 5]);
    expect(five.note(2, at(1024, 'bb'), [1, 2, 3, 4, 5])).toEqual([]);
  });

  it('judges learners by the voters, and does not wait for learners', () => {
    const audit = new StateAudit(4);
    audit.note(4, at(1024, 'bb'), MEMBERS);
    audit.note(1, at(1024, 'aa'), MEMBERS);
    const finding = { kind: 'selfIsOdd', of: at(1024, 'bb'), majority: 'aa' };
    expect(audit.note(2, at(1024, 'aa'), MEMBERS)).toEqual([finding]);
    expect(audit.note(5, at(1024, 'cc'), MEMBERS)).toEqual([
      { kind: 'peerIsOdd', member: 5, of: at(1024, 'cc'), majority: 'aa' },
    ]);
  });

  it('keeps kinds and slots apart, and knows how far contents agreed', () => {
    const audit = new StateAudit(1);
    audit.note(1, at(2048, 'aa', 'content'), MEMBERS);
    audit.note(2, at(2048, 'bb'), MEMBERS);
    expect(audit.note(3, at(1024, 'cc', 'content'), MEMBERS)).toEqual([]);
    expect(audit.agreedContentUpTo).toBe(0);
    audit.note(2, at(2048, 'aa', 'content'), MEMBERS);
    expect(audit.agreedContentUpTo).toBe(2048);
    expect(audit.newest()).toEqual([at(2048, 'aa', 'content')]);
  });

  it('says when an odd member, or a split, is over', () => {
    const audit = new StateAudit(1);
    for (const [member, digest] of [
      [1, 'aa'],
      [2, 'aa'],
      [3, 'cc'],
    ] as const)
      audit.note(member, at(1024, digest), MEMBERS);
    expect(audit.isOdd(3)).toBe(true);
    audit.note(1, at(2048, 'dd'), MEMBERS);
    audit.note(2, at(2048, 'dd'), MEMBERS);
    expect(audit.note(3, at(2048, 'dd'), MEMBERS)).toEqual([
      { kind: 'agreesAgain', member: 3, of: { kind: 'changes', slot: 2048 } },
    ]);
    expect(audit.isOdd(3)).toBe(false);
    for (const [member, digest] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ] as const)
      audit.note(member, at(3072, digest), MEMBERS);
    audit.note(1, at(4096, 'ee'), MEMBERS);
    expect(audit.note(2, at(4096, 'ee'), MEMBERS)).toEqual([
      { kind: 'splitIsOver', of: { kind: 'changes', slot: 4096 } },
    ]);
  });

  it('calls a content disputed as soon as two members tell of different ones', () => {
    const audit = new StateAudit(1);
    audit.note(1, at(2048, 'aa', 'content'), MEMBERS);
    expect(audit.isDisputed(2048)).toBe(false);
    expect(audit.note(2, at(2048, 'bb', 'content'), MEMBERS)).toEqual([]);
    expect(audit.isDisputed(2048)).toBe(true);
    expect(audit.isDisputed(1024)).toBe(false);
  });

  it('forgets old slots', () => {
    const audit = new StateAudit(1);
    for (let slot = 1; slot <= 100; slot++) audit.note(1, at(slot, 'aa'), MEMBERS);
    audit.note(2, at(1, 'bb'), MEMBERS);
    expect(audit.note(3, at(1, 'bb'), MEMBERS)).toEqual([]);
    audit.note(2, at(100, 'bb'), MEMBERS);
    expect(audit.note(3, at(100, 'bb'), MEMBERS)).toHaveLength(1);
  });
});
