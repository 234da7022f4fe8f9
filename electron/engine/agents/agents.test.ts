import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { SshError } from '../ssh/ssh-error.ts';
import type { AgentChannel } from './agent-link.ts';
import type { AgentState, ReceivedNodeEvents, ReceivedSample } from './agent-session.ts';
import { Agents, agentTarget } from './agents.ts';
import { ClockOffset } from './clock-offset.ts';
import { LineReader } from './line-reader.ts';

const hostId = 'h-00000001';
const nodeId = 'n-00000001';
const target = agentTarget(
  { hostId, name: 'alpha' },
  { runtimeVersion: '24.1.0', releaseVersion: '0.1.0', place: 'home' },
);
const hello = { kind: 'hello', protocolVersion: 1, version: '0.1.0', hostname: 'fake', pid: 7 };
const sample = (capturedAtUnixMs: number) => ({
  kind: 'sample',
  sample: {
    capturedAtUnixMs,
    host: {
      uptimeSeconds: 1,
      cpuRatio: 0.5,
      cpuCount: 2,
      load1: 1,
      memoryTotalBytes: null,
      memoryAvailableBytes: null,
      pressure: { cpu: null, memory: null, io: null },
      networkReceiveBytesPerSecond: null,
      networkSendBytesPerSecond: null,
      disks: [],
    },
    nodes: [],
  },
});

/** One end of a channel on which a test plays the agent, line by line. */
class FakeAgent {
  readonly channel: AgentChannel;
  readonly #out = new PassThrough();
  readonly #requests: { id: number; call: string }[] = [];
  #wake: (() => void) | null = null;

  constructor() {
    const stdin = new PassThrough();
    const reader = new LineReader(1 << 20);
    stdin.on('data', (chunk: Buffer) => {
      for (const line of reader.push(chunk)) this.#requests.push(JSON.parse(line));
      this.#wake?.();
    });
    this.channel = { stdin, stdout: this.#out, stderr: new PassThrough() };
  }

  say(...messages: unknown[]): void {
    for (const message of messages) this.sayRaw(`${JSON.stringify(message)}\n`);
  }

  sayRaw(text: string): void {
    this.#out.write(text);
  }

  end(): void {
    this.#out.end();
  }

  async request(): Promise<{ id: number; call: string }> {
    while (this.#requests.length === 0)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#requests.shift()!;
  }
}

/** Agents whose channels are the fakes of `script`, in this order; the clock stands still and no wait takes time. */
function fleet(script: (FakeAgent | Error)[], clock = () => 1_000_000) {
  const states: AgentState[] = [];
  const samples: ReceivedSample[] = [];
  const events: ReceivedNodeEvents[] = [];
  const waits: number[] = [];
  const heard = { wake: () => {} };
  let opened = 0;
  const agents = new Agents({
    open: async (_target, signal) => {
      const fake = script[opened++];
      if (fake instanceof Error) throw fake;
      if (fake) return fake.channel;
      if (opened <= script.length + 1) throw new Error('no route to host');
      return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
    log: pino({ level: 'silent' }),
    clock,
    delay: async (milliseconds) => void waits.push(milliseconds),
  });
  agents.listen({
    onSample: (received) => (samples.push(received), heard.wake()),
    onNodeEvents: (received) => (events.push(received), heard.wake()),
    onState: (_, state) => (states.push(state), heard.wake()),
  });
  const until = async (ready: () => boolean) => {
    while (!ready())
      await new Promise<void>((resolve) => {
        heard.wake = resolve;
      });
  };
  agents.attach(target);
  return { agents, states, samples, events, waits, until };
}

describe('a session with an agent', () => {
  let open: Agents | null = null;
  afterEach(() => open?.close());

  it('greets, calls, and takes in what is pushed, dated on the engine’s clock', async () => {
    const fake = new FakeAgent();
    const { agents, samples, events, until } = fleet([fake]);
    open = agents;
    const event = { sequence: 1, atUnixMs: 1_005_100, kind: 'started', ballot: null, memberSlot: null, text: 't' };
    fake.say(hello, { kind: 'nodeEvents', nodeId, boot: 1, events: [event] }, sample(1_005_000));
    await until(() => events.length === 1);
    expect(samples).toMatchObject([{ hostId, atUnixMs: 1_000_000, clockOffsetMs: 5000 }]);
    expect(events[0]?.events[0]?.atUnixMs).toBe(1_000_100);
    const answer = agents.call(hostId, 'listFaults', { nodeId });
    const { id, call } = await fake.request();
    fake.say({ kind: 'reply', id, ok: true, result: { faults: [] } });
    expect([call, await answer]).toEqual(['listFaults', { faults: [] }]);
  });

  it('waits longer each time for an agent that greets and dies, until one samples', async () => {
    const fakes = [1, 2, 3, 4].map(() => new FakeAgent());
    for (const [at, fake] of fakes.entries()) {
      fake.say(hello);
      if (at === 2) fake.say(sample(1_000_000));
      fake.end();
    }
    const { agents, waits, until } = fleet(fakes);
    open = agents;
    await until(() => waits.length >= 4);
    expect(waits.slice(0, 4)).toEqual([250, 500, 250, 500]);
  });

  it('keeps its channel when whoever listens to it fails', async () => {
    const fake = new FakeAgent();
    const { agents, samples, states, until } = fleet([fake]);
    open = agents;
    agents.listen({
      onNodeEvents: () => {},
      onState: () => {},
      onSample: () => {
        throw new Error('the store is full');
      },
    });
    fake.say(hello, sample(1_000_000), sample(1_001_000));
    await until(() => samples.length === 2);
    expect(states.map((state) => state.kind)).toEqual(['ready']);
  });

  it('passes on a refusal with its host, command and next step', async () => {
    const fake = new FakeAgent();
    const { agents, until, states } = fleet([fake]);
    open = agents;
    fake.say(hello);
    await until(() => states.at(-1)?.kind === 'ready');
    const answer = agents.call(hostId, 'start', { nodeId });
    const { id } = await fake.request();
    const error = { kind: 'failed', message: 'the port is in use', nextStep: 'Free it.' };
    fake.say({ kind: 'reply', id, ok: false, error });
    await expect(answer).rejects.toMatchObject({
      kind: 'failed',
      host: 'alpha',
      command: `synod-node agent: start ${nodeId}`,
      message: 'alpha: the port is in use',
      nextStep: 'Free it.',
      outcomeUnknown: false,
    });
  });

  it('opens the channel again after a loss; a change in flight is unknown, a question is not', async () => {
    const [first, second] = [new FakeAgent(), new FakeAgent()];
    const { agents, states, waits, until } = fleet([first, second]);
    open = agents;
    first.say(hello);
    await until(() => states.at(-1)?.kind === 'ready');
    const change = agents.call(hostId, 'stop', { nodeId });
    const question = agents.call(hostId, 'listFaults', { nodeId });
    const both = Promise.allSettled([change, question]);
    await first.request();
    await first.request();
    first.end();
    const [changed, asked] = await both;
    expect(changed).toMatchObject({ reason: { kind: 'connectionLost', outcomeUnknown: true } });
    expect(asked).toMatchObject({ reason: { kind: 'connectionLost', outcomeUnknown: false } });
    second.say(hello);
    await until(() => states.filter((state) => state.kind === 'ready').length === 2);
    expect(states.map((state) => state.kind)).toEqual(['ready', 'lost', 'ready']);
    expect(waits).toEqual([250]);
  });

  it('does not try a refused login again by itself, but at once when the host is attached anew', async () => {
    const fake = new FakeAgent();
    const refused = new SshError({ kind: 'authFailed', problem: 'no key fits', host: 'alpha', nextStep: 'Give one.' });
    const { agents, states, waits, until } = fleet([refused, fake]);
    open = agents;
    await until(() => states.length === 1);
    expect(states[0]).toMatchObject({ kind: 'lost', reason: { kind: 'authFailed' } });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect([states.length, waits]).toEqual([1, []]);
    fake.say(hello);
    agents.attach(target);
    await until(() => states.at(-1)?.kind === 'ready');
  });

  it.each([
    ['another protocol', `${JSON.stringify({ ...hello, protocolVersion: 2 })}\n`, 'wrongVersion'],
    ['no JSON', 'Welcome to alpha!\n', 'badAnswer'],
    ['no greeting', `${JSON.stringify(sample(1))}\n`, 'badAnswer'],
    ['an endless line', 'x'.repeat((1 << 20) + 1), 'badAnswer'],
  ])('ends a channel that speaks %s', async (_, text, kind) => {
    const fake = new FakeAgent();
    const { agents, states, until } = fleet([fake]);
    open = agents;
    fake.sayRaw(text);
    await until(() => states.length > 0);
    expect(states[0]).toMatchObject({ kind: 'lost', reason: { kind, host: 'alpha' } });
    await expect(agents.call(hostId, 'nodes', {})).rejects.toMatchObject({ kind: 'notConnected' });
  });

  it('says that there is nobody to ask, and gives back the channel on close', async () => {
    const fake = new FakeAgent();
    const { agents, states, until } = fleet([fake]);
    await expect(agents.call('h-99999999', 'nodes', {})).rejects.toMatchObject({ kind: 'notConnected' });
    fake.say(hello);
    await until(() => states.at(-1)?.kind === 'ready');
    await agents.close();
    expect(fake.channel.stdin.writableEnded).toBe(true);
    expect(agents.stateOf(hostId)).toBeNull();
  });

  it('works over a process (a scripted stand-in for the agent)', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'synod-agent-'));
    const script = join(dir, 'fake-agent.mjs');
    writeFileSync(
      script,
      `import { createInterface } from 'node:readline';
       const say = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
       say(${JSON.stringify(hello)});
       for await (const line of createInterface({ input: process.stdin }))
         say({ kind: 'reply', id: JSON.parse(line).id, ok: true, result: { lines: ['x'.repeat(900_000)] } });`,
    );
    const child = spawn(process.execPath, [script]);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const agents = new Agents({ open: async () => child, log: pino({ level: 'silent' }), clock: Date.now });
    const ready = new Promise<void>((resolve) => {
      agents.listen({
        onSample: () => {},
        onNodeEvents: () => {},
        onState: (_, state) => state.kind === 'ready' && resolve(),
      });
    });
    agents.attach(target);
    await ready;
    const { lines } = await agents.call(hostId, 'logTail', { nodeId, lines: 1 });
    expect(lines[0]).toHaveLength(900_000);
    await agents.close();
    await ended;
    rmSync(dir, { recursive: true });
  });
});

describe('the offset of a host’s clock', () => {
  it('takes the sample that travelled fastest', () => {
    const offset = new ClockOffset();
    expect(offset.offsetMs).toBeNull();
    for (const delay of [40, 3, 90]) offset.observe(1000 + 500, 1000 + delay);
    expect(offset.offsetMs).toBe(497);
    expect(offset.toEngine(2000)).toBe(1503);
  });

  it('follows a clock that is set back or forth', () => {
    const offset = new ClockOffset();
    offset.observe(10_000, 10_001);
    offset.observe(5000, 11_001);
    expect(offset.offsetMs).toBe(-6001);
    offset.observe(90_000, 12_001);
    expect(offset.offsetMs).toBe(77_999);
  });
});

describe('lines', () => {
  it('come whole out of any pieces', () => {
    const reader = new LineReader(10);
    expect(reader.push(Buffer.from('a'))).toEqual([]);
    expect(reader.push(Buffer.from('b\n\ncd\ne'))).toEqual(['ab', '', 'cd']);
    expect(reader.push(Buffer.from('\n'))).toEqual(['e']);
    expect(() => reader.push(Buffer.from('12345678901'))).toThrow(RangeError);
  });
});
