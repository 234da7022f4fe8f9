import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../contract/model.ts';
import { FleetStore } from '../fleet/store.ts';
import { FailureError } from './failure.ts';
import { Operations } from './operations.ts';

const whole = { hostId: null, host: null };

describe('operations', () => {
  let dir: string;
  let store: FleetStore;
  let now = 1000;
  const open = () => {
    store = new FleetStore({ path: join(dir, 'fleet.db'), clock: () => now });
    return new Operations({ store, log: pino({ level: 'silent' }), clock: () => now });
  };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'synod-operations-'));
    now = 1000;
  });
  afterEach(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });

  it('follows steps to a successful end and tells watchers', async () => {
    const operations = open();
    const { promise: gate, resolve: go } = Promise.withResolvers<void>();
    const begun = operations.begin({ kind: 'nodeStart', title: 'Start node-1' }, async (run) => {
      run.announce([{ ...whole, step: 'Start' }]);
      await gate;
      await run.step({ ...whole, step: 'Start' }, async () => ({ state: 'unchanged', detail: 'It runs already.' }));
      return 'node-1 runs.';
    });
    const seen: Operation[] = [];
    for await (const operation of operations.watch(begun.operationId)) {
      seen.push(operation);
      go();
    }
    expect(seen[0]?.steps).toMatchObject([{ step: 'Start', state: 'pending' }]);
    expect(seen.at(-1)).toMatchObject({ state: 'succeeded', outcome: 'node-1 runs.', steps: [{ state: 'unchanged' }] });
    expect(store.getOperation(begun.operationId)).toEqual(seen.at(-1));
  });

  it('records a failed step with host and next step, and skips what was to come', async () => {
    const operations = open();
    const begun = operations.begin({ kind: 'clusterCreate', title: 'Create' }, async (run) => {
      run.announce([{ ...whole, step: 'Later' }]);
      await run.step({ hostId: 'h-aaaaaaaa', host: 'alpha', step: 'Upload' }, async () => {
        throw new FailureError({
          kind: 'noSpace',
          message: 'The disk is full.',
          nextStep: 'Free 200 MB.',
          exitCode: 1,
        });
      });
      return 'never';
    });
    const ended = await operations.settled(begun.operationId);
    expect(ended.state).toBe('failed');
    expect(ended.failure).toMatchObject({ kind: 'noSpace', host: 'alpha', step: 'Upload', exitCode: 1 });
    expect(ended.steps.map((step) => step.state)).toEqual(['skipped', 'failed']);
  });

  it('marks what a killed engine left running as unknown', async () => {
    const operations = open();
    const begun = operations.begin({ kind: 'clusterCreate', title: 'Create' }, (run) =>
      run.step({ ...whole, step: 'Wait' }, () => new Promise<never>(() => undefined)).then(() => ''),
    );
    store.close();
    const next = open();
    expect(next.get(begun.operationId)).toMatchObject({ state: 'unknown', steps: [{ state: 'unknown' }] });
  });

  describe('on a full disk', () => {
    const fill = () => {
      store.putOperation = () => {
        throw new Error('database or disk is full');
      };
    };

    it('come to their end, are told and can be asked for', async () => {
      const operations = open();
      const { promise: gate, resolve: go } = Promise.withResolvers<void>();
      const begun = operations.begin(
        { kind: 'nodeStop', title: 'Stop node-1', clusterId: 'c-00000001' },
        async (run) => {
          await gate;
          await run.step({ ...whole, step: 'Stop' }, async () => ({ state: 'succeeded', detail: null }));
          return 'node-1 is stopped.';
        },
      );
      const told: string[] = [];
      operations.onChange(() => {
        throw new Error('this listener writes to the disk, too');
      });
      operations.onChange((operation) => told.push(operation.state));
      fill();
      go();
      expect(await operations.settled(begun.operationId)).toMatchObject({ state: 'succeeded' });
      expect(told.at(-1)).toBe('succeeded');
      expect(operations.recent(5)).toMatchObject([{ state: 'succeeded' }]);
      expect(operations.runningOn('c-00000001')).toBeNull();
    });

    it('do not begin, and stand in nobody’s way', () => {
      const operations = open();
      fill();
      const begin = () =>
        operations.begin({ kind: 'nodeStop', title: 'Stop', clusterId: 'c-00000001' }, async () => '');
      expect(begin).toThrow('disk is full');
      expect(operations.runningOn('c-00000001')).toBeNull();
    });
  });

  it('cancels on close', async () => {
    const operations = open();
    const begun = operations.begin({ kind: 'labUp', title: 'Start hosts' }, async (run) => {
      await new Promise((_, reject) => run.signal.addEventListener('abort', () => reject(run.signal.reason)));
      return '';
    });
    await operations.close();
    expect(operations.get(begun.operationId).state).toBe('unknown');
  });
});
