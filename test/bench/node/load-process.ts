/** The process that makes the load, apart from the suite so that its own CPU can be told. One job at a time, by IPC. */
import { createHistogram } from 'node:perf_hooks';
import { connectGrpc, type GrpcConnection } from './grpc-connection.ts';
import type { FromLoad, LoadJob, LoadResult, ProbeJob, StopJob, ToLoad } from './load-messages.ts';
import { RequestSource } from './workload.ts';

/** etcd's clients put all their calls on one connection; so many callers stand for one client. */
const CALLERS_PER_CONNECTION = 64;
/** Calls still under way when a load ends get so long; after it their outcome counts as unknown. */
const DRAIN_MS = 10_000;
const PROBE_DEADLINE_MS = 30_000;

let stop: (job: StopJob) => void = () => {};

process.on('message', (message: ToLoad) => {
  if (message.kind === 'stop') return stop(message);
  const done = message.kind === 'load' ? runLoad(message) : runProbe(message);
  done.catch((error: unknown) => say({ kind: 'failed', message: String(error) }));
});
process.on('disconnect', () => process.exit(0));

function say(message: FromLoad): void {
  process.send?.(message);
}

async function runLoad(job: LoadJob): Promise<void> {
  const count = Math.max(job.ports.length, Math.ceil(job.callers / CALLERS_PER_CONNECTION));
  const connections = await connectAll(Array.from({ length: count }, (_, index) => portAt(job.ports, index)));
  const load = new Load(job, connections);
  stop = () => load.stop();
  const result = await load.run();
  for (const connection of connections) connection.close();
  say({ kind: 'loadResult', result });
}

class Load {
  readonly #job: LoadJob;
  readonly #connections: readonly GrpcConnection[];
  readonly #source: RequestSource;
  readonly #latencyUs = createHistogram({ figures: 3 });
  #isMeasuring = false;
  #isStopping = false;
  #left: number;
  #open = 0;
  #operations = 0;
  #errors = 0;
  #putsAcknowledged = 0;
  #putsUnknown = 0;
  #onIdle = (): void => {};
  #onStop = (): void => {};

  constructor(job: LoadJob, connections: readonly GrpcConnection[]) {
    this.#job = job;
    this.#connections = connections;
    this.#source = new RequestSource(job.workload, { seed: job.seed, sequential: job.total !== null });
    this.#left = job.total ?? Infinity;
  }

  stop(): void {
    this.#isStopping = true;
    this.#onStop();
  }

  async run(): Promise<LoadResult> {
    const stopped = new Promise<void>((resolve) => (this.#onStop = resolve));
    for (let caller = 0; caller < this.#job.callers; caller++)
      this.#next(this.#connections[caller % this.#connections.length] as GrpcConnection);
    await pause(this.#job.warmUpMs, stopped);
    const cpuAtStart = process.cpuUsage();
    const startedMs = performance.now();
    this.#isMeasuring = true;
    say({ kind: 'begin' });
    await pause(this.#job.measureMs, stopped);
    this.#isMeasuring = false;
    this.#isStopping = true;
    say({ kind: 'end' });
    const elapsedMs = performance.now() - startedMs;
    const cpu = process.cpuUsage(cpuAtStart);
    const unknown = await this.#drain();
    return {
      operations: this.#operations,
      errors: this.#errors,
      elapsedMs,
      p50Ms: this.#latencyUs.percentile(50) / 1000,
      p99Ms: this.#latencyUs.percentile(99) / 1000,
      maxMs: this.#latencyUs.max / 1000,
      clientCpuMs: (cpu.user + cpu.system) / 1000,
      putsAcknowledged: this.#putsAcknowledged,
      putsUnknown: this.#putsUnknown + unknown,
    };
  }

  #next(connection: GrpcConnection): void {
    if (this.#isStopping || connection.isClosed) return;
    if (this.#left-- <= 0) {
      if (this.#open === 0) this.stop();
      return;
    }
    const { isPut, path, message, leastReplyBytes } = this.#source.next();
    const sentMs = performance.now();
    this.#open += 1;
    connection.call(path, message, (reply) => {
      this.#open -= 1;
      const isAnswer = reply !== null && reply.length >= leastReplyBytes;
      if (isPut && isAnswer) this.#putsAcknowledged += 1;
      if (isPut && !isAnswer) this.#putsUnknown += 1;
      if (this.#isMeasuring && isAnswer) {
        this.#operations += 1;
        this.#latencyUs.record(Math.max(1, Math.round((performance.now() - sentMs) * 1000)));
      } else if (!isAnswer) this.#errors += 1;
      if (this.#open === 0) this.#onIdle();
      // One that is refused at once must not ask again without a pause.
      if (isAnswer) this.#next(connection);
      else setTimeout(() => this.#next(connection), 5);
    });
  }

  /** How many calls were never answered. */
  async #drain(): Promise<number> {
    if (this.#open > 0) await pause(DRAIN_MS, new Promise<void>((resolve) => (this.#onIdle = resolve)));
    return this.#job.workload.kind === 'put' || this.#job.workload.kind === 'mixed' ? this.#open : 0;
  }
}

async function runProbe(job: ProbeJob): Promise<void> {
  const connections = await connectAll(job.ports);
  const source = new RequestSource(job.workload, { seed: 1 });
  const acknowledgedAtMs: number[] = [];
  let turn = 0;
  let left = Infinity;
  const timer = setInterval(() => {
    const connection = connections[turn++ % connections.length] as GrpcConnection;
    const { path, message } = source.next();
    connection.call(path, message, (reply) => {
      if (!reply) return;
      acknowledgedAtMs.push(performance.timeOrigin + performance.now());
      left -= 1;
      if (left === 0) end({ kind: 'probeResult', result: { acknowledgedAtMs } });
    });
  }, job.everyMs);
  const end = (message: FromLoad) => {
    left = Infinity;
    clearInterval(timer);
    clearTimeout(guard);
    for (const connection of connections) connection.close();
    say(message);
  };
  let guard: NodeJS.Timeout | undefined;
  stop = ({ afterPuts }) => {
    left = afterPuts;
    guard = setTimeout(() => end({ kind: 'failed', message: 'no writes were acknowledged' }), PROBE_DEADLINE_MS);
  };
  say({ kind: 'begin' });
}

function connectAll(ports: readonly number[]): Promise<GrpcConnection[]> {
  return Promise.all(ports.map((port) => connectGrpc(port)));
}

function portAt(ports: readonly number[], index: number): number {
  return ports[index % ports.length] as number;
}

/** Until the time is over or `cut` resolves. */
function pause(ms: number, cut: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void cut.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
