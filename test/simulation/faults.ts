/** Inflicts the faults of a schedule on the world, and counts those that really happened. */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import { type FaultEvent, inWords } from './fault-schedule.ts';
import type { SimulatedNode } from './node.ts';
import { Random } from './random.ts';
import type { World } from './world.ts';

export class Faults {
  #world: World;
  #nodes: ReadonlyMap<MemberSlot, SimulatedNode>;

  constructor(world: World, nodes: ReadonlyMap<MemberSlot, SimulatedNode>) {
    this.#world = world;
    this.#nodes = nodes;
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
      case 'cut':
        return this.#cut(fault, (from, to) => from === fault.member && to === fault.other);
      case 'disconnect':
        return this.#cut(fault, (from, to) => isPair(fault, from, to));
      case 'partition':
      case 'oneWayPartition':
        return this.#partition(fault);
      case 'hub':
        return this.#cut(fault, (from, to) => from !== fault.member && to !== fault.member);
      case 'transfer':
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
        return node.slowDisk(fault.amount, fault.forMs);
      case 'diskFull':
        return node.fillDisk(fault.forMs);
      case 'syncError':
        return node.failNextSync(fault.forMs);
    }
  }

  #cut(fault: FaultEvent, isCut: (from: MemberSlot, to: MemberSlot) => boolean): void {
    const { nowMs, network } = this.#world;
    let links = 0;
    for (const from of this.#nodes.keys())
      for (const to of this.#nodes.keys()) {
        if (from === to || !isCut(from, to)) continue;
        network.cut(from, to, nowMs + fault.forMs);
        links += 1;
      }
    if (links > 0) this.#world.count(fault.kind);
  }

  #partition(fault: FaultEvent): void {
    const random = new Random(fault.draw);
    const isLeft = new Map([...this.#nodes.keys()].map((member) => [member, random.chance(0.5)]));
    this.#cut(fault, (from, to) =>
      fault.kind === 'partition'
        ? isLeft.get(from) !== isLeft.get(to)
        : isLeft.get(from) === true && isLeft.get(to) === false,
    );
    if (random.chance(0.5)) this.#hintAbout(fault.member);
  }

  #transfer(fault: FaultEvent): void {
    const nodes = [...this.#nodes.values()];
    const leader = nodes.find((node) => node.status()?.role === 'leader');
    if (leader === undefined || leader.member === fault.member) return;
    this.#world.count('transfer');
    leader.transfer(fault.member);
  }

  #hintAbout(member: MemberSlot): void {
    if (!this.#world.mix.hintsLinks) return;
    for (const node of this.#nodes.values()) if (node.member !== member) node.hintLink(member, false);
  }
}

function isPair({ member, other }: FaultEvent, from: MemberSlot, to: MemberSlot): boolean {
  return (from === member && to === other) || (from === other && to === member);
}
