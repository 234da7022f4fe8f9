/**
 * `synod-node agent`: what runs on a host for as long as one SSH channel lives. It reads requests from standard input and
 * writes replies, samples and node events to standard output, one JSON object a line (contract/agent.ts); logs go to
 * standard error. It holds no state that matters: nodes belong to their supervisors or to systemd, faults to the nodes, so that
 * an agent may die at any moment, and several may run at once. One agent serves one place of the host (contract/host-layout.ts).
 */
import { homedir, hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { AGENT_PROTOCOL_VERSION, MAX_AGENT_LINE_BYTES } from '../contract/agent.ts';
import { type HostPlace, hostPlace } from '../contract/host-layout.ts';
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
 * abused (1); 2 is wrong use. The caller then exits at once: calls under way are carried on by what keeps the nodes.
 */
export async function runAgent(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  if (options === null) return 2;
  const { place, intervalMs } = options;
  const outbox = new Outbox(process.stdout);
  outbox.send({
    kind: 'hello',
    protocolVersion: AGENT_PROTOCOL_VERSION,
    version: VERSION,
    hostname: hostname(),
    pid: process.pid,
  });
  const ended = new AbortController();
  const sampling = new Sampler({ place, intervalMs, outbox, log }).run(ended.signal);
  sampling.catch((error) => log(`sampling ended: ${String(error)}`));
  const exitCode = await serveRequests(answerCalls(place), outbox);
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

interface AgentOptions {
  readonly place: HostPlace;
  readonly intervalMs: number;
}

function parseOptions(argv: readonly string[]): AgentOptions | null {
  try {
    const options = { 'interval-ms': { type: 'string' }, place: { type: 'string', default: 'home' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    return { place: parsePlace(values.place), intervalMs: parseInterval(values['interval-ms']) };
  } catch (error) {
    log((error as Error).message);
    return null;
  }
}

function parsePlace(name: string): HostPlace {
  if (name === 'home') return hostPlace(name, homedir());
  if (name !== 'system') throw new Error(`--place must be 'home' or 'system', not '${name}'`);
  if (process.getuid?.() !== 0) throw new Error('--place system needs root: run it by sudo');
  return hostPlace(name);
}

function parseInterval(text = String(DEFAULT_INTERVAL_MS)): number {
  const intervalMs = Number(text);
  if (Number.isInteger(intervalMs) && intervalMs >= 50 && intervalMs <= 60_000) return intervalMs;
  throw new Error(`--interval-ms must be a whole number from 50 to 60000, not '${text}'`);
}
