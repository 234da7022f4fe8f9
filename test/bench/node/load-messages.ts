/** What the suite and the process that makes the load say to each other. */
import type { Workload } from './workload.ts';

/** As many callers, each asking again as soon as it is answered. */
export interface LoadJob {
  readonly kind: 'load';
  /** Client ports on this machine; callers are spread over them. */
  readonly ports: readonly number[];
  readonly callers: number;
  readonly workload: Workload;
  readonly seed: number;
  /** Ends after so many calls, which take the keys in order; null: after its time, keys at random. */
  readonly total: number | null;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** One put every `everyMs`, whether or not earlier ones were answered, to the ports in turn; until `stop`. */
export interface ProbeJob {
  readonly kind: 'probe';
  readonly ports: readonly number[];
  readonly everyMs: number;
  readonly workload: Workload;
}

/** A load ends now; a probe once so many more puts were acknowledged. */
export interface StopJob {
  readonly kind: 'stop';
  readonly afterPuts: number;
}

export type ToLoad = LoadJob | ProbeJob | StopJob;

export interface LoadResult {
  /** In the measured time. */
  readonly operations: number;
  readonly errors: number;
  readonly elapsedMs: number;
  /** Milliseconds from call to answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** User and system time of the load process in the measured time. */
  readonly clientCpuMs: number;
  /** From first to last: puts acknowledged, and puts whose outcome is not known. */
  readonly putsAcknowledged: number;
  readonly putsUnknown: number;
}

export interface ProbeResult {
  /** Of every acknowledged put, in order: unix milliseconds with fractions. */
  readonly acknowledgedAtMs: readonly number[];
}

export type FromLoad =
  /** The measured time begins or ends now. */
  | { readonly kind: 'begin' | 'end' }
  | { readonly kind: 'loadResult'; readonly result: LoadResult }
  | { readonly kind: 'probeResult'; readonly result: ProbeResult }
  | { readonly kind: 'failed'; readonly message: string };
