/** One line of a chart: which series it draws, and how it is told from the others. */
export interface ChartLine {
  readonly series: string;
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  /** Lines of one group (a member slot) are brought out together in all charts. */
  readonly group: number | null;
}
