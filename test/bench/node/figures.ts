/** Figures of several clusters side by side: medians over the rounds, and ratios of the last cluster to the first. */

/** One measured value. */
export interface Sample {
  /** What was done: "puts, 64 callers". */
  readonly scenario: string;
  /** What was measured: "operations a second". */
  readonly figure: string;
  readonly cluster: string;
  readonly value: number;
}

export interface Row {
  readonly scenario: string;
  readonly figure: string;
  /** By cluster: median, lowest and highest of the rounds. */
  readonly values: Readonly<Record<string, { readonly median: number; readonly min: number; readonly max: number }>>;
  /** Synod to etcd, of the medians; null when one of them was not measured. */
  readonly ratio: number | null;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** In the order in which scenarios and figures first came. */
export function rowsOf(samples: readonly Sample[]): Row[] {
  const groups = Map.groupBy(samples, ({ scenario, figure }) => `${scenario}\n${figure}`);
  return [...groups.values()].map((group) => {
    const values: Record<string, { median: number; min: number; max: number }> = {};
    for (const [cluster, of] of Map.groupBy(group, (sample) => sample.cluster)) {
      const numbers = of.map((sample) => sample.value);
      values[cluster] = { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) };
    }
    const { scenario, figure } = group[0] as Sample;
    const [etcd, synod] = [values['etcd'], values['synod']];
    return { scenario, figure, values, ratio: etcd && synod && etcd.median > 0 ? synod.median / etcd.median : null };
  });
}

export function tableOf(rows: readonly Row[]): string {
  const lines = [['', '', 'etcd', 'synod', 'ratio', 'etcd min-max', 'synod min-max']];
  let last = '';
  for (const { scenario, figure, values, ratio } of rows) {
    const cells = [values['etcd'], values['synod']];
    const medians = cells.map((value) => (value ? short(value.median) : '-'));
    const ranges = cells.map((value) => (value ? `${short(value.min)}-${short(value.max)}` : '-'));
    lines.push([
      scenario === last ? '' : scenario,
      figure,
      ...medians,
      ratio === null ? '-' : ratio.toFixed(2),
      ...ranges,
    ]);
    last = scenario;
  }
  const widths = (lines[0] as string[]).map((_, column) =>
    Math.max(...lines.map((line) => (line[column] as string).length)),
  );
  const text = lines.map((line) =>
    line
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  return `${text.map((line) => line.trimEnd()).join('\n')}\n`;
}

function short(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
