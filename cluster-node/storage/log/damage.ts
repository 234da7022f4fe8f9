/** What a disk did to a log, each with its place. */
export type DamageKind =
  /** Bytes changed. */
  | 'bitRot'
  /** Zeros where a record was synced: the write never arrived. */
  | 'lostWrite'
  /** A record that belongs elsewhere stands here. */
  | 'misdirectedWrite'
  | 'missingSegment'
  /** The file ends before the segment does. */
  | 'shortSegment'
  /** Behind the last record, never synced: what a crash leaves. */
  | 'tornTail';

export interface Damage {
  readonly kind: DamageKind;
  /** Relative to the data folder. */
  readonly file: string;
  readonly offset: number;
  /** First byte behind it. */
  readonly endOffset: number;
  /** The first record that should stand there; null when none is missing. */
  readonly recordNumber: number | null;
  /** In words: what was lost, as far as is known. */
  readonly text: string;
}

/** What an operator should hear of at a start: everything but what a mere crash leaves. */
export function damagesInWords(damages: readonly Damage[]): string[] {
  const real = damages.filter(({ kind }) => kind !== 'tornTail');
  return real.map(
    ({ kind, file, offset, text }) => `the disk damaged the log: ${kind} in ${file}, offset ${offset}: ${text}`,
  );
}
