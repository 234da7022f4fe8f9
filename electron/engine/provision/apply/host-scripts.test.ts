/** The scripts that run on hosts, run here by a real shell in a home of their own. */
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
import { identify } from '../../../../cluster-node/supervisor/process-identity.ts';
import { inspectScript, obstacleIn, parseInspection } from '../plan/inspection.ts';
import {
  LINKED,
  parseRemoved,
  removeNodeFolderScript,
  removeUnusedScript,
  residueScript,
  stopRecordedScript,
} from '../plan/removal.ts';
import { parsePut, putFilesScript } from './put-files.ts';

const nodeId = 'n-aaaaaaaa';
const places = { nodeId, runtimeVersion: 'node-1', releaseVersion: '0.1.0' };

describe.skipIf(process.platform === 'win32')('scripts on a host', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'synod-scripts-'));
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
  const inspect = () => parseInspection(run(inspectScript(places)).stdout);
  const obstacle = () => obstacleIn(inspect(), { ...places, clusterId: 'c-aaaaaaaa' });

  it('put files privately, once, with whatever is in them', () => {
    const content = `it's "$HOME" \`id\` \\ \nEOF\n`;
    const files = [{ path: '.synod/a/key', content }];
    expect(parsePut(run(putFilesScript(files, ['.synod/a'])).stdout)).toEqual({ put: 1, same: 0 });
    expect(readFileSync(join(home, '.synod/a/key'), 'utf8')).toBe(content);
    expect(statSync(join(home, '.synod/a/key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, '.synod/a')).mode & 0o777).toBe(0o700);
    expect(parsePut(run(putFilesScript(files, ['.synod/a'])).stdout)).toEqual({ put: 0, same: 1 });
    expect(readdirSync(join(home, '.synod/a'))).toEqual(['key']);
  });

  it('put nothing through a link', () => {
    put('victim', 'precious');
    mkdirSync(join(home, '.synod'));
    symlinkSync(join(home, 'victim'), join(home, '.synod/key'));
    const { status, stderr } = run(putFilesScript([{ path: '.synod/key', content: 'new\n' }], ['.synod']));
    expect({ status, stderr }).toEqual({ status: 73, stderr: '.synod/key is not a plain file\n' });
    expect(readFileSync(join(home, 'victim'), 'utf8')).toBe('precious');
  });

  it('put nothing into a folder that is a link', () => {
    link('.synod/nodes');
    const { status, stderr } = run(
      putFilesScript([{ path: '.synod/nodes/a/key', content: 'new\n' }], ['.synod', '.synod/nodes', '.synod/nodes/a']),
    );
    expect({ status, stderr }).toEqual({ status: 73, stderr: '.synod/nodes is a link, not a folder of its own\n' });
    expect(readdirSync(join(home, 'elsewhere'))).toEqual([]);
  });

  it('see an empty home and a complete node of ours without an obstacle', () => {
    expect(inspect()).toMatchObject({ root: 'absent', runtime: 'absent', config: null, isRunning: false });
    expect(obstacle()).toBeNull();
    put('.synod/runtime/node-1/node');
    put('.synod/releases/0.1.0/synod-node.cjs');
    put(`.synod/nodes/${nodeId}/config.json`, `{\n "clusterId": "c-aaaaaaaa",\n "nodeId": "${nodeId}"\n}\n`);
    put(`.synod/nodes/${nodeId}/data/log`);
    put(`.synod/nodes/${nodeId}/run/supervisor.json`, JSON.stringify(identify(process.pid)));
    expect(inspect()).toMatchObject({
      runtime: 'file',
      release: 'file',
      node: 'folder',
      hasData: true,
      isRunning: true,
    });
    expect(obstacle()).toBeNull();
  });

  it('see no node running in another process that has its number', () => {
    const own = identify(process.pid);
    if (own === null) throw new Error('this process runs');
    const others = [
      { ...own, bootId: 'another-boot' },
      { ...own, startTime: `${own.startTime}0` },
      { pid: own.pid },
      { ...own, pid: 2 ** 22 + 1 },
    ];
    for (const other of others) {
      put(`.synod/nodes/${nodeId}/run/supervisor.json`, JSON.stringify(other));
      expect(inspect().isRunning).toBe(false);
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
        mkdirSync(join(home, '.synod/runtime/node-1'), { recursive: true });
        symlinkSync('/bin/sh', join(home, '.synod/runtime/node-1/node'));
      },
      'foreignFiles',
    ],
    [
      'another cluster’s configuration',
      () => put(`.synod/nodes/${nodeId}/config.json`, `{"clusterId":"c-b","nodeId":"${nodeId}"}`),
      'foreignData',
    ],
    ['a configuration that is none', () => put(`.synod/nodes/${nodeId}/config.json`, 'hm'), 'foreignData'],
    ['a link in place of a version’s folder', () => link('.synod/runtime/node-1'), 'foreignFiles'],
    ['a link in place of the runtimes', () => link('.synod/runtime'), 'foreignFiles'],
    ['a link in place of the nodes', () => link('.synod/nodes'), 'foreignFiles'],
    ['a link in place of ~/.synod', () => link('.synod'), 'foreignFiles'],
    ['a link in place of the data', () => link(`.synod/nodes/${nodeId}/data`), 'foreignFiles'],
    ['data without a configuration', () => put(`.synod/nodes/${nodeId}/data/log`), 'foreignData'],
  ])('see %s', (_what, prepare, kind) => {
    prepare();
    expect(obstacle()).toMatchObject({ kind });
  });

  it('remove what no node uses, and ~/.synod when it is empty', () => {
    put('.synod/runtime/node-1/node');
    put('.synod/runtime/node-2/node');
    put('.synod/releases/0.1.0/synod-node.cjs');
    put('.synod/releases/0.2.0/synod-node.cjs');
    put('.synod/releases/0.3.0/synod-node.cjs');
    put(
      '.synod/nodes/n-bbbbbbbb/launch.json',
      `{"runtime": "${home}/.synod/runtime/node-1/node", "release": "${home}/.synod/releases/0.2.0/synod-node.cjs"}`,
    );
    run(removeUnusedScript(['0.3.0']));
    expect(readdirSync(join(home, '.synod/runtime'))).toEqual(['node-1']);
    expect(readdirSync(join(home, '.synod/releases'))).toEqual(['0.2.0', '0.3.0']);
    expect(run(residueScript([nodeId], true)).stdout).toContain('~/.synod/runtime/node-1/node');
    rmSync(join(home, '.synod/nodes/n-bbbbbbbb'), { recursive: true });
    run(removeUnusedScript([]));
    expect(existsSync(join(home, '.synod'))).toBe(false);
    expect(run(residueScript([nodeId], true)).stdout).toBe('');
  });

  it.each(['.synod', '.synod/runtime', '.synod/runtime/node-1'])('remove nothing through a link: %s', (link) => {
    const elsewhere = join(home, 'elsewhere');
    const inside = '.synod/runtime/node-1'.slice(link.length);
    put(`elsewhere${inside}/node`);
    put('elsewhere/precious/notes.txt');
    mkdirSync(join(home, link, '..'), { recursive: true });
    symlinkSync(elsewhere, join(home, link));
    const { status, stdout } = run(removeUnusedScript([]));
    expect(status).toBe(0);
    expect(parseRemoved(stdout)).toEqual({ removed: [], left: [`~/${link}: it is a link`] });
    expect(existsSync(join(elsewhere, inside, 'node'))).toBe(true);
    expect(existsSync(join(elsewhere, 'precious/notes.txt'))).toBe(true);
  });

  it('remove only what was installed, and name what stays', () => {
    put('.synod/runtime/node-1/node');
    put('.synod/runtime/node-1/node.part');
    put('.synod/runtime/node-2/node');
    put('.synod/runtime/node-2/.hidden');
    put('.synod/runtime/mine/photos/one.jpg');
    put('.synod/runtime/with space/node');
    put('.synod/releases/notes.txt');
    expect(parseRemoved(run(removeUnusedScript([])).stdout)).toEqual({
      removed: ['~/.synod/runtime/node-1', '~/.synod/runtime/with space'],
      left: [
        '~/.synod/runtime/mine/photos: Synod did not put it there',
        '~/.synod/runtime/node-2/.hidden: Synod did not put it there',
        '~/.synod/releases/notes.txt: it is not a folder',
      ],
    });
    expect(readdirSync(join(home, '.synod/runtime'))).toEqual(['mine', 'node-2']);
    expect(existsSync(join(home, '.synod/runtime/mine/photos/one.jpg'))).toBe(true);
  });

  it('remove no node’s folder through a link', () => {
    put(`elsewhere/${nodeId}/data/log`);
    mkdirSync(join(home, '.synod'));
    symlinkSync(join(home, 'elsewhere'), join(home, '.synod/nodes'));
    expect(run(removeNodeFolderScript(nodeId)).status).toBe(LINKED);
    expect(existsSync(join(home, `elsewhere/${nodeId}/data/log`))).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')('stop the processes that were written down, and no others', async () => {
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
    try {
      const [supervisor, node] = [record('supervisor'), record('node')];
      expect(run(stopRecordedScript(nodeId))).toMatchObject({
        status: 0,
        stdout: `ended=${supervisor.pid}\nended=${node.pid}\n`,
      });
      // Numbers that went to somebody else since.
      const others = [record('supervisor', { startTime: '1' }), record('node', { bootId: 'another' })];
      expect(run(stopRecordedScript(nodeId))).toMatchObject({ status: 0, stdout: '' });
      expect(others.map(lives)).toEqual([true, true]);
    } finally {
      for (const child of started) child.kill('SIGKILL');
    }
  });

  it('refuse versions that are no folder names', () => {
    expect(() => removeUnusedScript(['../..'])).toThrow(RangeError);
  });
});
