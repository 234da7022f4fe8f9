/** Draws faults while the safety phase lasts: each kind at its own rate, as the seed's mix has it. */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import type { SimulatedNode } from './node.ts';
import type { World } from './world.ts';

export class FaultSchedule {
  #world: World;
  #nodes: readonly SimulatedNode[];
  #isOver = false;

  constructor(world: World, nodes: readonly SimulatedNode[]) {
    this.#world = world;
    this.#nodes = nodes;
  }

  start(): void {
    const { mix } = this.#world;
    this.#repeat(mix.crashGapMs, () => this.#crash());
    this.#repeat(mix.cutGapMs, () => this.#cutLinks());
    this.#repeat(mix.partitionGapMs, () => this.#partition());
    this.#repeat(mix.healGapMs, () => this.#healAll());
    this.#repeat(mix.pauseGapMs, () => this.#pause());
    this.#repeat(mix.transferGapMs, () => this.#transfer());
  }

  stop(): void {
    this.#isOver = true;
  }

  #repeat(gapMs: number, inflict: () => void): void {
    if (gapMs === 0) return;
    const again = () => {
      if (this.#isOver) return;
      inflict();
      this.#world.after(this.#world.random.gap(gapMs), again);
    };
    this.#world.after(this.#world.random.gap(gapMs), again);
  }

  #crash(): void {
    const { random } = this.#world;
    const node = random.pick(this.#nodes);
    if (!node.isUp) return;
    this.#world.count('crash');
    node.crashAfterEffects = random.integer(0, 6);
    // It may come to rest before it has had that many effects: then it stays up a while longer.
    this.#world.after(random.between(20, 1500), () => {
      if (!node.isUp && !this.#isOver) node.start();
    });
    this.#hintAbout(node.member, false);
  }

  #cutLinks(): void {
    const { random, members } = this.#world;
    const from = random.pick(members);
    const to = random.pick(members);
    this.#world.count('cut');
    this.#world.cut(from, to);
    if (random.chance(0.5)) this.#world.cut(to, from);
  }

  #partition(): void {
    const { random, members } = this.#world;
    this.#world.count('partition');
    const sideOf = new Map(members.map((member) => [member, random.chance(0.5)]));
    for (const from of members)
      for (const to of members) if (sideOf.get(from) !== sideOf.get(to)) this.#world.cut(from, to);
    if (random.chance(0.5)) this.#hintAbout(random.pick(members), false);
  }

  #healAll(): void {
    this.#world.healAll();
    for (const node of this.#nodes) if (!node.isUp) node.start();
  }

  #pause(): void {
    const { random } = this.#world;
    this.#world.count('pause');
    random.pick(this.#nodes).pause(random.between(20, 1500));
  }

  #transfer(): void {
    const { random, members } = this.#world;
    this.#world.count('transfer');
    const leader = this.#nodes.find((node) => node.status()?.role === 'leader') ?? random.pick(this.#nodes);
    leader.transfer(random.pick(members));
  }

  #hintAbout(member: MemberSlot, up: boolean): void {
    if (!this.#world.mix.hintsLinks) return;
    for (const node of this.#nodes) if (node.member !== member) node.hintLink(member, up);
  }
}
