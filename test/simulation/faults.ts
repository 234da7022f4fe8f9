/** Inflicts the faults of a schedule on the world, and counts those that really happened. */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import { DamageBudget } from './damage-budget.ts';
import { type FaultEvent, inWords } from './fault-schedule.ts';
import { drawChange } from './membership-changes.ts';
import type { SimulatedNode } from './node.ts';
import { Random } from './random.ts';
import type { World } from './world.ts';

const MEAN_AGE_OF_ROT_SLOTS = 10;
/** Long before anyone misses it. */
const QUICK_RESTART_MS = 30;
const SLOW_SYNC_MS = 100;
/** How often an operator looks who leads. */
const LOOK_MS = 5;
const CHANGES = ['addLearner', 'addLearner', 'promote', 'remove', 'setQuorums'] as const;
const DAMAGES = ['bitRot', 'bitRot', 'lostWrite', 'misdirectedWrite'] as const;

export class Faults {
  #world: World;
  #nodes: ReadonlyMap<MemberSlot, SimulatedNode>;
  readonly #budget: DamageBudget;

  constructor(world: World, nodes: ReadonlyMap<MemberSlot, SimulatedNode>) {
    this.#world = world;
    this.#nodes = nodes;
    this.#budget = new DamageBudget(world.checker.votes, nodes);
  }

  /** Has every fault happen at its time. */
  schedule(faults: readonly FaultEvent[]): void {
    for (const fault of faults)
      this.#world.after(fault.atMs, () => {
        if (!this.#world.isCalm) this.#inflict(fault);
      });
  }

  #inflict(fault: FaultEvent): void {
    const { network } = this.#world;
    this.#world.tell(() => `fault: ${inWords(fault)}`);
    const node = this.#nodes.get(fault.member);
    switch (fault.kind) {
      case 'loss':
        network.lossRatio = fault.amount;
        return;
      case 'duplication':
        network.duplicateRatio = fault.amount;
        return;
      case 'reordering':
        network.reorderRatio = fault.amount;
        return;
      case 'delay':
        network.delayRatio = fault.amount;
        return;
      case 'corruption':
        network.corruptRatio = fault.amount;
        return;
      case 'bitRot':
        return node === undefined ? undefined : this.#rot(node, fault);
      case 'snapshotDamage':
        return node === undefined ? undefined : this.#damageSnapshots(node, Math.floor(fault.amount));
      case 'lostDisk':
        return node === undefined ? undefined : this.#loseDisk(node);
      case 'cut':
        return this.#cut(fault, (from, to) => from === fault.member && to === fault.other);
      case 'disconnect':
        return this.#cut(fault, (from, to) => isPair(fault, from, to));
      case 'partition':
      case 'oneWayPartition':
        return this.#partition(fault);
      case 'stall':
        if (!this.#isLink(fault)) return;
        this.#world.count('stall');
        return network.stall(fault.member, fault.other, this.#world.nowMs + fault.forMs);
      case 'hub':
        return node === undefined
          ? undefined
          : this.#cut(fault, (from, to) => from !== fault.member && to !== fault.member);
      case 'leaderCutOff':
      case 'leaderAlone':
        return this.#cutOffLeader(fault);
      case 'addLearner':
      case 'promote':
      case 'remove':
      case 'setQuorums':
        return this.#reconfigure(fault, this.#leader());
      case 'leaderForgets':
        return this.#leaderForgets(fault);
      case 'rivalChanges':
        return this.#rivalChanges(fault);
      case 'transfer':
      case 'deafTransfer':
        return this.#transfer(fault);
      default:
        return node === undefined || !node.isUp ? undefined : this.#strike(node, fault);
    }
  }

  /** What happens to one running node. */
  #strike(node: SimulatedNode, fault: FaultEvent): void {
    switch (fault.kind) {
      case 'crash':
        node.crashAfter(Math.floor(fault.amount), fault.forMs);
        return this.#hintAbout(node.member);
      case 'pause':
        this.#world.count('pause');
        return node.pause(fault.forMs);
      case 'slowDisk':
        this.#world.count('slowDisk');
        return node.strain.slowDisk(fault.amount, fault.forMs);
      case 'diskFull':
        return node.strain.fillDisk(fault.forMs);
      case 'slowLoop':
        this.#world.count('slowLoop');
        return node.strain.slowLoop(fault.amount, fault.forMs);
      case 'syncError':
        return node.failNextSync(fault.forMs);
    }
  }

  /** Who no longer hears someone may be told so by its transport, or find out by itself. */
  #cut(fault: FaultEvent, isCut: (from: MemberSlot, to: MemberSlot) => boolean): void {
    const { nowMs, network, mix } = this.#world;
    const random = new Random(fault.draw);
    let links = 0;
    for (const [to, node] of this.#nodes) {
      const isTold = mix.hintsLinks && random.chance(0.7);
      for (const from of this.#nodes.keys()) {
        if (from === to || !isCut(from, to)) continue;
        network.cut(from, to, nowMs + fault.forMs);
        if (isTold) node.hintLink(from, false);
        links += 1;
      }
    }
    if (links > 0) this.#world.count(fault.kind);
  }

  /** Nothing that others send reaches the leader, and nothing of it them; with `amount` they crash as well. */
  #cutOffLeader(fault: FaultEvent): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    this.#cut(fault, (from, to) => (from === leader.member) !== (to === leader.member));
    if (fault.kind !== 'leaderAlone') return;
    for (const node of this.#nodes.values()) if (node !== leader && node.isUp) node.crashAfter(0, fault.amount);
  }

  #partition(fault: FaultEvent): void {
    const random = new Random(fault.draw);
    const isLeft = new Map([...this.#nodes.keys()].map((member) => [member, random.chance(0.5)]));
    this.#cut(fault, (from, to) =>
      fault.kind === 'partition'
        ? isLeft.get(from) !== isLeft.get(to)
        : isLeft.get(from) === true && isLeft.get(to) === false,
    );
  }

  #rot(node: SimulatedNode, fault: FaultEvent): void {
    if (!this.#isMember(node) || !node.isUp) return;
    const random = new Random(fault.draw);
    const { checker } = this.#world;
    const lastSlot = checker.votes.lastAccepted;
    if (lastSlot === 0) return;
    for (let count = Math.floor(fault.amount); count > 0; count--) {
      const slot = lastSlot - Math.min(lastSlot - 1, Math.floor(random.gap(MEAN_AGE_OF_ROT_SLOTS)));
      if (node.disk.entry(slot) === undefined || !this.#budget.allowsDamage(node, slot)) continue;
      const how = random.pick(DAMAGES);
      this.#world.count(how);
      checker.onDamaged(node.member);
      node.disk.damage(slot, how, random);
    }
  }

  /** One member at a time may have to ask another one for what its log begins with. */
  #damageSnapshots({ member, replica, disk, hasLostDisk }: SimulatedNode, count: number): void {
    const others = [...this.#nodes.values()].filter((node) => node.member !== member && !node.hasLostDisk);
    const { snapshots } = replica;
    if (hasLostDisk || snapshots.count === 0 || others.some((other) => other.replica.hasGap)) return;
    const leaves = snapshots.count - count;
    const isSpare = ({
      replica: {
        snapshots: { newest },
      },
    }: SimulatedNode) => (newest?.slot ?? 0) >= disk.firstSlot - 1;
    if (leaves <= 0 && !(others.length > 1 && others.every(isSpare))) return;
    this.#world.count('snapshotDamage');
    snapshots.damage(count);
  }

  #loseDisk(node: SimulatedNode): void {
    if (!this.#isMember(node) || node.hasLostDisk || !this.#budget.allowsLoss(node)) return;
    this.#world.count('lostDisk');
    node.loseDisk();
  }

  /** Asks the leader, which may refuse; what comes of it is counted when it is chosen. */
  #reconfigure(fault: FaultEvent, leader: SimulatedNode | undefined): void {
    if (leader === undefined || !this.#world.mix.changesMembers) return;
    const { configuration } = this.#world.checker.votes;
    const isLost = (member: MemberSlot) => this.#nodes.get(member)?.hasLostDisk === true;
    const change = drawChange(fault, configuration, { leader: leader.member, isLost });
    if (change !== null && this.#budget.allowsChange(change, leader.member)) leader.reconfigure(change);
  }

  /**
   * Two leaders of one configuration each propose its end. The first takes in everybody's requests while nothing comes of it, so
   * its own stop entry may lie in a later slot than the one that is chosen, and be told to whoever leads next.
   */
  #rivalChanges(fault: FaultEvent): void {
    const first = this.#leader();
    const { network, checker, mix } = this.#world;
    if (first === undefined || !mix.changesMembers) return;
    const random = new Random(fault.draw);
    const ask = (leader: SimulatedNode) =>
      this.#reconfigure({ ...fault, kind: random.pick(CHANGES), draw: random.integer(0, 0x7fffffff) }, leader);
    this.#cut(fault, (from) => from === first.member);
    const untilMs = this.#world.nowMs + fault.forMs;
    const { configId } = checker.votes.configuration;
    const askSecond = () => {
      if (this.#world.isCalm || this.#world.nowMs >= untilMs) return;
      if (checker.votes.configuration.configId > configId)
        return this.#nodes.forEach((_, member) => network.heal(first.member, member));
      const second = [...this.#nodes.values()].find((node) => node !== first && node.status()?.role === 'leader');
      if (second !== undefined) ask(second);
      this.#world.after(LOOK_MS, askSecond);
    };
    this.#world.after(fault.amount, () => {
      if (!this.#world.isCalm) ask(first);
      askSecond();
    });
  }

  /**
   * One node has what the leader proposed and forgot, and its answer comes when that leader leads again, under another ballot,
   * and has proposed otherwise. The disks are slow, so that this finds it undecided.
   */
  #leaderForgets(fault: FaultEvent): void {
    const leader = this.#leader();
    if (leader === undefined || leader.member === fault.member || !this.#nodes.has(fault.member)) return;
    const { network, nowMs, mix } = this.#world;
    const endMs = fault.amount + fault.forMs;
    this.#cut({ ...fault, forMs: fault.amount }, (from, to) => from === leader.member && to !== fault.member);
    network.stall(fault.member, leader.member, nowMs + endMs);
    leader.strain.fillDisk(fault.amount + 2 * QUICK_RESTART_MS);
    for (const node of this.#nodes.values())
      if (node !== leader) node.strain.slowDisk(SLOW_SYNC_MS / mix.syncMsMean, endMs);
    this.#world.after(fault.amount, () => {
      if (!this.#world.isCalm) leader.crashAfter(0, QUICK_RESTART_MS);
    });
  }

  #transfer(fault: FaultEvent): void {
    const leader = this.#leader();
    if (leader === undefined || leader.member === fault.member || !this.#nodes.has(fault.member)) return;
    this.#world.count(fault.kind);
    leader.transfer(fault.member);
    if (fault.kind === 'transfer') return;
    this.#world.after(fault.amount, () => {
      if (!this.#world.isCalm) this.#cut(fault, (_, to) => to === leader.member);
    });
  }

  #isLink({ member, other }: FaultEvent): boolean {
    return member !== other && this.#nodes.has(member) && this.#nodes.has(other);
  }

  #isMember({ member }: SimulatedNode): boolean {
    return this.#world.checker.votes.configuration.members.some(({ memberSlot }) => memberSlot === member);
  }

  #leader(): SimulatedNode | undefined {
    for (const node of this.#nodes.values()) if (node.status()?.role === 'leader') return node;
    return undefined;
  }

  #hintAbout(member: MemberSlot): void {
    if (!this.#world.mix.hintsLinks) return;
    for (const node of this.#nodes.values()) if (node.member !== member) node.hintLink(member, false);
  }
}

function isPair({ member, other }: FaultEvent, from: MemberSlot, to: MemberSlot): boolean {
  return (from === member && to === other) || (from === other && to === member);
}
