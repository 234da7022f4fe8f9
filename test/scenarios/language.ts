/**
 * The language of the scenarios. A file is a story: comments (`#`), input lines at the margin, and below each, indented, what
 * happened, which the runner writes. An input line is one of the sentences below; this table is the whole language.
 *
 * Messages and disks are instant unless something is held, so one line tells everything that follows from it. Time passes in
 * `tick` alone. Heartbeats always go through (not over a cut link) and are told only after `verbose on`.
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import type { ScenarioCluster } from './scenario-cluster.ts';

interface Sentence {
  readonly usage: string;
  readonly pattern: RegExp;
  readonly run: (cluster: ScenarioCluster, ...words: string[]) => void;
}

export const SENTENCES: readonly Sentence[] = [
  {
    usage: 'tick 100ms | tick 1 100ms        timers fire, of all or of these nodes only (1,2)',
    pattern: /^tick (?:([\d,]+) )?(\d+)ms$/,
    run: (cluster, who, ms) => cluster.tick(who ? who.split(',').map(Number) : null, Number(ms)),
  },
  {
    usage: 'stand 2                          time passes until node 2 stands for election, before all others',
    pattern: /^stand (\d+)$/,
    run: (cluster, member) => cluster.stand(Number(member)),
  },
  {
    usage: 'propose 1 "x"                    a client of node 1 writes a value; values are unique',
    pattern: /^propose (\d+) "(.+)"$/,
    run: (cluster, at, text) => cluster.node(at).propose(text),
  },
  {
    usage: 'read 1                           a client of node 1 asks for a linearizable read',
    pattern: /^read (\d+)$/,
    run: (cluster, at) => cluster.node(at).read(),
  },
  {
    usage: 'hold all | hold 1->2             messages wait from now on',
    pattern: /^hold (all|\d+->\d+)$/,
    run: (cluster, link) => cluster.wires.hold(link),
  },
  {
    usage: 'hold disk 1                      what node 1 writes waits for `sync 1`',
    pattern: /^hold disk (\d+)$/,
    run: (cluster, at) => cluster.node(at).holdDisk(),
  },
  {
    usage: 'sync 1                           its disk makes everything written durable',
    pattern: /^sync (\d+)$/,
    run: (cluster, at) => cluster.node(at).sync(),
  },
  {
    usage: 'deliver 1->2 | deliver all       what waits on a link arrives; "all": until nothing waits any more',
    pattern: /^deliver (all|\d+->\d+)$/,
    run: (cluster, link) => cluster.deliver(link),
  },
  {
    usage: 'drop 1->2 | drop all             what waits is lost',
    pattern: /^drop (all|\d+->\d+)$/,
    run: (cluster, link) => cluster.wires.drop(link),
  },
  {
    usage: 'flow                             nothing is held any more: messages arrive, disks sync',
    pattern: /^flow$/,
    run: (cluster) => cluster.flow(),
  },
  {
    usage: 'cut 1->2 | cut 1<->2 | cut 1     messages are lost: one way, both ways, between node 1 and all others',
    pattern: /^cut (\d+(?:<?->\d+)?)$/,
    run: (cluster, link) => cluster.wires.cut(cluster.linksOf(link)),
  },
  {
    usage: 'heal | heal 1<->2                they arrive again',
    pattern: /^heal(?: (\d+(?:<?->\d+)?))?$/,
    run: (cluster, link) => cluster.wires.heal(link === undefined ? null : cluster.linksOf(link)),
  },
  {
    usage: 'crash 1                          loses what is not synced',
    pattern: /^crash (\d+)$/,
    run: (cluster, at) => cluster.node(at).crash(),
  },
  {
    usage: 'restart 1                        from what its disk holds',
    pattern: /^restart (\d+)$/,
    run: (cluster, at) => cluster.node(at).start(),
  },
  {
    usage: 'start 4                          a node that has never run',
    pattern: /^start (\d+)$/,
    run: (cluster, at) => cluster.add(Number(at)),
  },
  {
    usage: 'freeze 1 | thaw 1                its process stands still, or goes on',
    pattern: /^(freeze|thaw) (\d+)$/,
    run: (cluster, what, at) => (what === 'freeze' ? cluster.node(at).freeze() : cluster.node(at).thaw()),
  },
  {
    usage: 'transfer 1->2                    node 1 is asked to hand leadership to node 2',
    pattern: /^transfer (\d+)->(\d+)$/,
    run: (cluster, at, target) => cluster.node(at).give({ kind: 'transfer', target: Number(target) }),
  },
  {
    usage: 'reconfigure 1 add                node 1 is asked for the next configuration: with a learner more',
    pattern: /^reconfigure (\d+) add$/,
    run: (cluster, at) => cluster.node(at).addLearner(),
  },
  {
    usage: 'reconfigure 1 promote 4 | reconfigure 1 remove 3     with a voter more, or without this member',
    pattern: /^reconfigure (\d+) (promote|remove) (\d+)$/,
    run: (cluster, at, kind, member) => cluster.node(at).change(kind as 'promote' | 'remove', Number(member)),
  },
  {
    usage: 'rot 2 slot 5                     one bit of what the disk holds of that slot changes',
    pattern: /^rot (\d+) slot (\d+)$/,
    run: (cluster, at, slot) => cluster.node(at).rot(Number(slot)),
  },
  {
    usage: 'lose disk 3                      its data folder is empty; the node is down',
    pattern: /^lose disk (\d+)$/,
    run: (cluster, at) => cluster.node(at).loseDisk(),
  },
  {
    usage: 'fill disk 1 | free disk 1        nothing becomes durable for want of space, or again',
    pattern: /^(fill|free) disk (\d+)$/,
    run: (cluster, what, at) => cluster.node(at).fillDisk(what === 'fill'),
  },
  {
    usage: 'snapshot 1                       of everything applied; its log begins after it',
    pattern: /^snapshot (\d+)$/,
    run: (cluster, at) => cluster.node(at).takeSnapshot(),
  },
  {
    usage: 'status                           of all nodes',
    pattern: /^status$/,
    run: (cluster) => cluster.status(),
  },
  {
    usage: 'verbose on | verbose off         heartbeats and records of what is decided',
    pattern: /^verbose (on|off)$/,
    run: (cluster, state) => cluster.setVerbose(state === 'on'),
  },
];

export interface ClusterLine {
  readonly size: number;
  /** Who leads when the story begins; 0: nobody yet. */
  readonly leader: MemberSlot;
  readonly seed: number;
  /** 0: no lease reads. */
  readonly leaseMs: number;
  /** Decided slots kept in memory. */
  readonly memorySlots: number;
}

/** The first input line of every scenario. */
export const CLUSTER_USAGE =
  'cluster 3 [led by 1] [seed 7] [leases 200ms] [memory 2]     nodes 1 to 3 start, all voters';

/** null: the line is another sentence. */
export function parseCluster(line: string): ClusterLine | null {
  const found = /^cluster (\d+)(?: led by (\d+))?(?: seed (\d+))?(?: leases (\d+)ms)?(?: memory (\d+))?$/.exec(line);
  if (found === null) return null;
  const [, size, leader = 0, seed = 1, leaseMs = 0, memorySlots = 4096] = found;
  return {
    size: Number(size),
    leader: Number(leader),
    seed: Number(seed),
    leaseMs: Number(leaseMs),
    memorySlots: Number(memorySlots),
  };
}

/** Carries out one input line. Throws SyntaxError, with all sentences, for a line that is none. */
export function carryOut(line: string, cluster: ScenarioCluster): void {
  for (const { pattern, run } of SENTENCES) {
    const found = pattern.exec(line);
    if (found === null) continue;
    run(cluster, ...found.slice(1));
    return cluster.settle();
  }
  const usages = [CLUSTER_USAGE, ...SENTENCES.map(({ usage }) => usage)];
  throw new SyntaxError(`no such sentence: ${line}\n${usages.join('\n')}`);
}
