/** The scripts that look at hosts and change them, run here by a real shell in a home of their own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HostPlace, hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import { identify } from '../../../../cluster-node/supervisor/process-identity.ts';
import { desiredOfHost } from '../plan/desired.ts';
import { type GoneInput, goneFromHost, residueIn } from '../plan/gone.ts';
import { planHost } from '../plan/host-plan.ts';
import { desiredInput, nodeId } from '../plan/host-under-test.ts';
import { parseObserved } from '../plan/observed-host.ts';
import { obstacleIn } from '../plan/obstacles.ts';
import type { Resource } from '../plan/resources.ts';
import { sha256 } from './look.ts';
import { observeScript } from './observe-script.ts';
import { isScripted, NOT_OURS, stepScript, stepsDone } from './step-script.ts';

describe.skipIf(process.platform !== 'linux')('scripts on a host', () => {
  let home: string;
  let place: HostPlace;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'synod-scripts-'));
    place = hostPlace('home', home);
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const run = (script: string) =>
    spawnSync('/bin/sh', ['-s'], { input: script, encoding: 'utf8', env: { ...process.env, HOME: home } });
  const put = (path: string, content = 'x') => {
    mkdirSync(join(home, path, '..'), { recursive: true });
    writeFileSync(join(home, path), content);
  };
  const link = (path: string) => {
    mkdirSync(join(home, path, '..'), { recursive: true });
    mkdirSync(join(home, 'elsewhere'));
    symlinkSync(join(home, 'elsewhere'), join(home, path));
  };
  const wanted = () => desiredOfHost(desiredInput(place, { digest: sha256 }));
  const { dataDir } = hostPlace('home', '').node(nodeId);
  const observe = (resources: readonly Resource[]) => {
    const request = { place, nodeId, resources, dataDir: home + dataDir, known: [], disks: [home] };
    return parseObserved(run(observeScript(request)).stdout);
  };
  const goneInput = (): GoneInput => ({
    place,
    nodeId,
    clusterId: 'c-aaaaaaaa',
    dataFolder: null,
    keepVersions: [],
    kept: new Set(),
    observed: null,
  });
  const obstacle = () => {
    const at = { place, home, clusterId: 'c-aaaaaaaa', nodeId, dataDir: home + dataDir };
    return obstacleIn({ ...at, desired: wanted(), observed: observe(wanted()) });
  };
  const at = () => ({ place: 'home' as const, runDir: place.node(nodeId).runDir });
  const apply = (resources: readonly Resource[]) =>
    run(stepScript(planHost(resources, observe(resources)).filter(isScripted), at()));

  it('bring an empty home to what is wanted, once, whatever the umask and the contents', () => {
    expect(obstacle()).toBeNull();
    const done = run(`umask 000\n${stepScript(planHost(wanted(), observe(wanted())).filter(isScripted), at())}`);
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: '' });
    const key = join(place.node(nodeId).tlsDir, 'peer.key');
    expect(readFileSync(key, 'utf8')).toBe('peer key\n');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(statSync(place.node(nodeId).configDir).mode & 0o777).toBe(0o700);
    const left = planHost(wanted(), observe(wanted())).map(({ resource }) => resource.kind);
    expect(left).toEqual(['shipped', 'shipped', 'service']);
    expect(readdirSync(place.node(nodeId).configDir).filter((name) => name.includes('synod-new'))).toEqual([]);
    expect(obstacle()).toBeNull();
  });

  it('do nothing when they arrive cut off, wherever that is', () => {
    const script = stepScript(planHost(wanted(), observe(wanted())).filter(isScripted), at());
    for (let share = 1; share < 10; share++) {
      run(script.slice(0, Math.floor((script.length * share) / 10)));
      expect(readdirSync(home)).toEqual([]);
    }
    run(script.slice(0, script.lastIndexOf('synod_main')));
    expect(readdirSync(home)).toEqual([]);
  });

  it('see and mend what was changed by hand', () => {
    apply(wanted());
    const { config } = place.node(nodeId);
    writeFileSync(config, readFileSync(config, 'utf8').replace('300', '400'), { mode: 0o644 });
    const step = planHost(wanted(), observe(wanted())).find(({ resource }) => resource.kind === 'file');
    expect(step?.diff).toContain('-   "electionTimeoutMs": 400');
    apply(wanted());
    expect(readFileSync(config, 'utf8')).toContain('300');
    expect(statSync(config).mode & 0o777).toBe(0o600);
  });

  it('put nothing through a link', () => {
    put('victim', 'precious');
    const steps = planHost(wanted(), observe(wanted())).filter(isScripted);
    mkdirSync(place.node(nodeId).configDir, { recursive: true });
    symlinkSync(join(home, 'victim'), place.node(nodeId).config);
    const { status, stderr } = run(stepScript(steps, at()));
    expect({ status, stderr }).toEqual({
      status: NOT_OURS,
      stderr: `${place.node(nodeId).config} is not a plain file\n`,
    });
    expect(readFileSync(join(home, 'victim'), 'utf8')).toBe('precious');
  });

  it.skipIf(process.getuid?.() !== 0)('leave no half file on a full disk (needs root: mount)', () => {
    const steps = planHost(wanted(), observe(wanted())).filter(isScripted);
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k,nr_inodes=64', 'tmpfs', home]);
    try {
      const { status, stderr, stdout } = run(stepScript(steps, at()));
      expect(stderr).toMatch(/No space left on device/);
      expect(status).not.toBe(0);
      expect(stepsDone(stdout)).toBeLessThan(steps.length);
      const found = spawnSync('find', [home, '-name', '*.synod-new', '-o', '-type', 'f', '-empty'], {
        encoding: 'utf8',
      });
      expect(found.stdout).toBe('');
    } finally {
      spawnSync('umount', [home]);
    }
  });

  it.each<[string, () => void, string]>([
    ['a file in place of ~/.synod', () => put('.synod'), 'foreignFiles'],
    ['a stranger in ~/.synod', () => put('.synod/notes.txt'), 'foreignFiles'],
    ['a hidden stranger', () => put('.synod/.git/config'), 'foreignFiles'],
    ['a file in place of a folder', () => put('.synod/nodes'), 'foreignFiles'],
    [
      'a link in place of the runtime',
      () => {
        mkdirSync(join(home, '.synod/runtime/node-24'), { recursive: true });
        symlinkSync('/bin/sh', join(home, '.synod/runtime/node-24/node'));
      },
      'foreignFiles',
    ],
    [
      'another cluster’s configuration',
      () => put(`.synod/nodes/${nodeId}/config.json`, `{"clusterId":"c-b","nodeId":"${nodeId}"}`),
      'foreignData',
    ],
    ['a configuration that is none', () => put(`.synod/nodes/${nodeId}/config.json`, 'hm'), 'foreignData'],
    ['a link in place of a version’s folder', () => link('.synod/runtime/node-24'), 'foreignFiles'],
    ['a link in place of the runtimes', () => link('.synod/runtime'), 'foreignFiles'],
    ['a link in place of the nodes', () => link('.synod/nodes'), 'foreignFiles'],
    ['a link in place of ~/.synod', () => link('.synod'), 'foreignFiles'],
    ['a link in place of the data', () => link(`.synod/nodes/${nodeId}/data`), 'foreignFiles'],
    ['data without a configuration', () => put(`.synod/nodes/${nodeId}/data/log`), 'foreignData'],
  ])('see %s', (_what, prepare, kind) => {
    prepare();
    expect(obstacle()).toMatchObject({ kind });
  });

  const remove = () => {
    const first = goneFromHost(goneInput());
    const observed = observe(first);
    return run(stepScript(planHost(goneFromHost({ ...goneInput(), observed }), observed).filter(isScripted), at()));
  };
  const left = () => {
    const observed = observe(goneFromHost(goneInput()));
    return residueIn({ ...goneInput(), observed }, observed);
  };

  it('take all of it off again, unfinished uploads and things aside with it', () => {
    apply(wanted());
    put('.synod/runtime/node-24/node');
    put('.synod/runtime/node-23/node.part');
    put('.synod/releases/0.1.0/synod-node.cjs');
    put(`.synod/nodes/${nodeId}/data/log`);
    put(`.synod/nodes/${nodeId}/config.json.synod-new`);
    expect(remove()).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(home)).toEqual([]);
    expect(left()).toEqual([]);
  });

  it('remove only what was installed, and name what stays', () => {
    put('.synod/runtime/node-1/node');
    put('.synod/runtime/node-2/node');
    put('.synod/runtime/node-2/.hidden');
    put('.synod/runtime/mine/photos/one.jpg');
    put('.synod/runtime/with space/node');
    put('.synod/releases/notes.txt');
    put(
      '.synod/nodes/n-bbbbbbbb/launch.json',
      `{"runtime": "${home}/.synod/runtime/node-9/node", "release": "/r/0.9/s"}`,
    );
    put('.synod/runtime/node-9/node');
    expect(remove()).toMatchObject({ status: 0, stderr: '' });
    expect(readdirSync(join(home, '.synod/runtime'))).toEqual(['mine', 'node-2', 'node-9']);
    expect(readdirSync(join(home, '.synod/runtime/node-2'))).toEqual(['.hidden']);
    expect(existsSync(join(home, '.synod/runtime/mine/photos/one.jpg'))).toBe(true);
    rmSync(join(home, '.synod/nodes/n-bbbbbbbb'), { recursive: true });
    remove();
    expect(left()).toContain(join(home, '.synod/releases/notes.txt'));
  });

  it('see a node running, since when, and no other process that has its number', () => {
    const own = identify(process.pid);
    if (own === null) throw new Error('this process runs');
    const service = () => observe(wanted()).services.get(nodeId);
    put(`.synod/nodes/${nodeId}/run/supervisor.json`, JSON.stringify(own));
    put(`.synod/nodes/${nodeId}/run/node.json`, JSON.stringify(own));
    const startedAt = Date.now() / 1000 - process.uptime();
    expect(service()).toMatchObject({ isRunning: true, hasProcess: true });
    expect(Math.abs((service()?.startedAt ?? 0) - startedAt)).toBeLessThan(2);
    const others = [
      { ...own, bootId: 'another-boot' },
      { ...own, startTime: `${own.startTime}0` },
      { pid: own.pid },
      { ...own, pid: 2 ** 22 + 1 },
    ];
    for (const other of others) {
      for (const name of ['supervisor', 'node']) put(`.synod/nodes/${nodeId}/run/${name}.json`, JSON.stringify(other));
      expect(service()).toEqual({ isRunning: false, hasProcess: false, needsReload: false, startedAt: null });
    }
  });

  it('stop the processes that were written down, and no others', () => {
    const started: ChildProcess[] = [];
    const record = (name: string, change: Record<string, unknown> = {}) => {
      const child = spawn('sleep', ['60']);
      started.push(child);
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const identity = { pid: child.pid, startTime: fields[19], bootId, ...change };
      put(`.synod/nodes/${nodeId}/run/${name}.json`, JSON.stringify(identity));
      return child;
    };
    const lives = (child: ChildProcess) => !readFileSync(`/proc/${child.pid}/stat`, 'utf8').includes(') Z');
    const stop = () => {
      const { unit } = place.node(nodeId);
      const resource = { phase: 'Stop node', kind: 'noService', nodeId, unit } as const;
      return run(stepScript([{ resource, change: 'stop', diff: null, why: '' }], at()));
    };
    try {
      const both = [record('supervisor'), record('node')];
      expect(stop()).toMatchObject({ status: 0 });
      expect(both.map(lives)).toEqual([false, false]);
      // Numbers that went to somebody else since.
      const others = [record('supervisor', { startTime: '1' }), record('node', { bootId: 'another' })];
      expect(stop()).toMatchObject({ status: 0 });
      expect(others.map(lives)).toEqual([true, true]);
    } finally {
      for (const child of started) child.kill('SIGKILL');
    }
  });
});
