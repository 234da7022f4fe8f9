/** A worker thread of seeds.ts: runs the seeds it is given and answers with their outcomes. */
import { parentPort } from 'node:worker_threads';
import { CONTROLS } from './controls.ts';
import type { Done, Job } from './seeds.ts';
import { simulate } from './simulation.ts';

parentPort?.on('message', (jobs: readonly Job[]) => {
  const done: Done[] = jobs.map(({ seed, control }) => {
    const before = process.threadCpuUsage();
    const outcome = simulate(seed, control === null ? {} : { control: CONTROLS[control] });
    const { user, system } = process.threadCpuUsage(before);
    return { outcome, tookMs: (user + system) / 1000 };
  });
  parentPort?.postMessage(done);
});
