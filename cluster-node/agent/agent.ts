/**
 * `synod-node agent`: what runs on a host for as long as one SSH channel lives. It reads requests from standard input and
 * writes replies, samples and node events to standard output, one JSON object a line (contract/agent.ts); logs go to
 * standard error. It holds no state that matters: nodes belong to their supervisors, faults to the nodes, so that an agent
 * may die at any moment, and several may run at once.
 */
import { homedir, hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { AGENT_PROTOCOL_VERSION, MAX_AGENT_LINE_BYTES } from '../contract/agent.ts';
import { VERSION } from '../runtime/version.ts';
import { LineSplitter } from '../api/line-splitter.ts';
import { type Answer, answerCalls } from './calls.ts';
import { Outbox } from './outbox.ts';
import { Sampler } from './sampler.ts';

const DEFAULT_INTERVAL_MS = 1000;

function log(message: string): void {
  process.stderr.write(`synod-node agent: ${message}\n`);
}

/**
 * `argv` is what follows `agent`. Resolves with the exit code when standard input has ended (0) or the channel is broken or
 * abused (1); 2 is wrong use. The caller then exits at once: calls under way are carried on by the supervisors.
 */
export async function runAgent(argv: readonly string[]): Promise<number> {
  const intervalMs = parseInterval(argv);
  if (intervalMs === null) return 2;
  const home = homedir();
  const outbox = new Outbox(process.stdout);
  outbox.send({
    kind: 'hello',
    protocolVersion: AGENT_PROTOCOL_VERSION,
    version: VERSION,
    hostname: hostname(),
    pid: process.pid,
  });
  const ended = new AbortController();
  const sampling = new Sampler({ home, intervalMs, outbox, log }).run(ended.signal);
  sampling.catch((error) => log(`sampling ended: ${String(error)}`));
  const exitCode = await serveRequests(answerCalls(home), outbox);
  ended.abort();
  return exitCode;
}

function serveRequests(answer: Answer, outbox: Outbox): Promise<number> {
  const splitter = new LineSplitter(MAX_AGENT_LINE_BYTES);
  return new Promise((resolve) => {
    process.stdin.on('data', (chunk: Buffer) => {
      try {
        for (const line of splitter.push(chunk)) void reply(line);
      } catch (error) {
        log(`closing: ${(error as Error).message}`);
        resolve(1);
      }
    });
    const reply = async (line: string) => {
      const message = await answer(line);
      if (message) outbox.send(message);
      else log(`ignored a line that is no request (${line.length} characters)`);
    };
    process.stdin.on('end', () => resolve(0));
    process.stdin.on('error', () => resolve(1));
    process.stdout.on('error', () => resolve(1));
  });
}

function parseInterval(argv: readonly string[]): number | null {
  try {
    const { values } = parseArgs({ args: [...argv], options: { 'interval-ms': { type: 'string' } } });
    const text = values['interval-ms'] ?? String(DEFAULT_INTERVAL_MS);
    const intervalMs = Number(text);
    if (Number.isInteger(intervalMs) && intervalMs >= 50 && intervalMs <= 60_000) return intervalMs;
    throw new Error(`--interval-ms must be a whole number from 50 to 60000, not '${text}'`);
  } catch (error) {
    log((error as Error).message);
    return null;
  }
}
