/**
 * One seed, one history. First the safety phase: clients, and the faults that the seed draws, while the checker watches every
 * step. Then the liveness phase: a quorum-connected core comes to rest, the rest of the world stays broken as it is, and
 * every request taken in by the core must end in bounded virtual time. At last everything heals, and all nodes must become
 * level.
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import { type Configuration, votersOf } from '../../cluster-node/contract/configuration.ts';
import { CORRECT, type Control } from './controls.ts';
import { drawSchedule, type FaultEvent } from './fault-schedule.ts';
import { Faults } from './faults.ts';
import { checkHistory } from './history.ts';
import { kindOfChange } from './membership-changes.ts';
import { ELECTION_TIMEOUT_MS, SimulatedNode } from './node.ts';
import type { Random } from './random.ts';
import { drawMix, type Mix } from './swarm.ts';
import { Violation } from './violation.ts';
import { World } from './world.ts';

/** Why so long: docs/protocol.md. */
const LIVENESS_BOUND_MS = 4 * ELECTION_TIMEOUT_MS;
/** A node far behind may need a round trip and a disk read for each slot when pages are small. */
const CATCH_UP_MS_PER_SLOT = 5;
/** A node far behind in small pages needs some time; it must only ever end. */
const LEVEL_BOUND_MS = 60 * ELECTION_TIMEOUT_MS;

const SEED_STREAM = 0;
const FAULT_STREAM = 2;
const CLIENT_STREAM = 3;

export interface Outcome {
  readonly seed: number;
  readonly violation: { readonly invariant: string; readonly detail: string; readonly atMs: number } | null;
  readonly traceHash: string;
  /** Events taken from the heap. */
  readonly events: number;
  readonly virtualMs: number;
  readonly acknowledged: number;
  readonly readsAnswered: number;
  readonly faults: Readonly<Record<string, number>>;
}

export interface SimulationOptions {
  readonly control?: Control;
  /** Which of the seed's faults happen; all when left out. */
  readonly only?: readonly number[] | null;
  /** Is told protocol events and faults in words. */
  readonly listener?: ((line: string) => void) | null;
}

/** The faults that a seed draws, ascending in time. */
export function faultsOf(seed: number): FaultEvent[] {
  return new Simulation(seed, {}).faults;
}

export function simulate(seed: number, options: SimulationOptions = {}): Outcome {
  return new Simulation(seed, options).run();
}

class Simulation {
  readonly faults: FaultEvent[];
  readonly #seed: number;
  readonly #mix: Mix;
  readonly #world: World;
  readonly #chance: Random;
  readonly #nodes: Map<MemberSlot, SimulatedNode>;

  constructor(seed: number, { control = CORRECT, only = null, listener = null }: SimulationOptions) {
    this.#seed = seed;
    this.#mix = drawMix(World.stream(seed, SEED_STREAM));
    this.#world = new World(seed, this.#mix, control);
    this.#world.trace.listener = listener;
    this.#chance = this.#world.stream(CLIENT_STREAM);
    const { members } = this.#world.firstConfiguration;
    this.#nodes = new Map(members.map(({ memberSlot }) => [memberSlot, new SimulatedNode(this.#world, memberSlot)]));
    const drawn = drawSchedule(this.#world.stream(FAULT_STREAM), this.#mix);
    this.faults = only === null ? drawn : only.flatMap((index) => drawn[index] ?? []);
  }

  run(): Outcome {
    const world = this.#world;
    let violation: Outcome['violation'] = null;
    try {
      this.#runSafetyPhase();
      this.#runLivenessPhase();
      checkHistory(world.history);
    } catch (error) {
      // An assertion of the core that fails is a finding like any other.
      const invariant = error instanceof Violation ? error.invariant : 'assertion of the core';
      const detail = error instanceof Error ? error.message : String(error);
      violation = { invariant, detail, atMs: world.nowMs };
      world.tell(() => `violation: ${detail}`);
    }
    const nodes = [...this.#nodes.values()];
    return {
      seed: this.#seed,
      violation,
      traceHash: world.trace.hash,
      events: world.events,
      virtualMs: world.nowMs,
      acknowledged: sum(nodes, (node) => node.clients.acknowledged),
      readsAnswered: sum(nodes, (node) => node.clients.readsAnswered),
      faults: world.faults,
    };
  }

  #runSafetyPhase(): void {
    for (const node of this.#nodes.values()) this.#begin(node);
    this.#world.checker.votes.onConfiguration = (next, previous) => this.#onConfiguration(next, previous);
    new Faults(this.#world, this.#nodes).schedule(this.faults);
    this.#world.runUntil(this.#mix.safetyMs, () => false);
  }

  #begin(node: SimulatedNode): void {
    const { keys, maxValueBytes, proposeGapMs, readGapMs } = this.#mix;
    const chance = this.#chance;
    node.start();
    this.#again(proposeGapMs, () => node.write(chance.integer(1, keys), chance.integer(0, maxValueBytes)));
    this.#again(readGapMs, () => node.read(chance.integer(1, keys)));
  }

  /** A configuration is chosen: a new member comes to life. */
  #onConfiguration(next: Configuration, previous: Configuration): void {
    this.#world.count(kindOfChange(next, previous));
    // It may have been under way when the world came to rest, and those at rest need not be a quorum of it.
    if (this.#world.isCalm) this.#world.after(0, () => this.#healAll());
    for (const { memberSlot } of next.members) {
      if (this.#nodes.has(memberSlot)) continue;
      const node = new SimulatedNode(this.#world, memberSlot);
      this.#nodes.set(memberSlot, node);
      this.#world.after(0, () => this.#begin(node));
    }
  }

  #again(gapMs: number, act: () => void): void {
    this.#world.after(this.#chance.gap(gapMs), () => {
      if (this.#world.isCalm) return;
      act();
      this.#again(gapMs, act);
    });
  }

  #runLivenessPhase(): void {
    const world = this.#world;
    const nodes = [...this.#nodes.values()].filter(({ hasLostDisk }) => !hasLostDisk);
    const core = this.#drawCore(nodes);
    world.calmSinceMs = world.nowMs;
    world.tell(() => `calm: core ${core.map((node) => node.member).join(' ')}`);
    world.network.freeze();
    for (const from of core) for (const to of core) world.network.heal(from.member, to.member);
    for (const node of core) {
      node.calm();
      if (!node.isUp) node.start();
      node.write(1, 0);
      node.read(1);
    }
    // One that was just added may not be told before the leader knows it; until then no leader is its own.
    const aware = core.filter(knowsItself);
    // Nobody may lead before the vows to the last leader have ended.
    const vowedMs = this.#mix.leaseReads?.durationMs ?? 0;
    const boundMs = LIVENESS_BOUND_MS + vowedMs + this.#lagSlots(core) * CATCH_UP_MS_PER_SLOT;
    this.#expectWithin(boundMs, 'every request ends', () =>
      core.every((node) => node.clients.waitingCount === 0 || !this.#isMember(node)),
    );
    if (aware.some((node) => node.clients.refusedInCalm > 0 && this.#isMember(node)))
      throw new Violation('liveness', 'a request was given back: no leader');
    this.#healAll();
    this.#expectWithin(LEVEL_BOUND_MS, 'all nodes level', () => areLevel(nodes.filter((node) => this.#isMember(node))));
  }

  #healAll(): void {
    this.#world.network.healAll();
    for (const node of this.#nodes.values()) {
      node.calm();
      node.start();
    }
  }

  /** A removed one need not answer its clients, and need not learn that it is removed. */
  #isMember(node: SimulatedNode): boolean {
    return this.#world.checker.votes.configuration.members.some(({ memberSlot }) => memberSlot === node.member);
  }

  /**
   * Members that can make progress by themselves. What a disk lost may need every other one to be told; and so may a
   * configuration that not everyone knows of.
   */
  #drawCore(nodes: readonly SimulatedNode[]): readonly SimulatedNode[] {
    const { configuration } = this.#world.checker.votes;
    const voters = votersOf(configuration);
    const { phase1, phase2 } = configuration.quorumSizes ?? majorities(voters.length);
    const isVoter = (node: SimulatedNode) => voters.includes(node.member);
    const shuffled = this.#chance.shuffled(nodes.filter(isVoter));
    const size = this.#chance.integer(Math.min(Math.max(phase1, phase2), shuffled.length), shuffled.length);
    const isDivided = nodes.some((node) => node.status()?.configuration.configId !== configuration.configId);
    const isRotten = nodes.some(({ disk }) => disk.damagedSlots.size > 0);
    const hasGap = nodes.some(({ replica }) => replica.hasGap);
    return isRotten || hasGap || (this.#mix.changesMembers && isDivided) ? nodes : shuffled.slice(0, size);
  }

  #expectWithin(boundMs: number, what: string, isDone: () => boolean): void {
    if (!this.#world.runUntil(this.#world.nowMs + boundMs, isDone))
      throw new Violation('liveness', `not within ${Math.round(boundMs)} ms of virtual time: ${what}`);
  }

  /** How many slots the slowest node of the core may have to learn: what is decided anywhere, and what is about to be. */
  #lagSlots(core: readonly SimulatedNode[]): number {
    // One outside of it may lead.
    const waiting = sum([...this.#nodes.values()], (node) => node.clients.waitingCount);
    const end = this.#world.checker.votes.lastAccepted + waiting;
    return end - Math.min(...core.map((node) => node.decidedUpTo));
  }
}

/** Whether it is a member as far as it knows. */
function knowsItself(node: SimulatedNode): boolean {
  return node.status()?.configuration.members.some(({ memberSlot }) => memberSlot === node.member) === true;
}

function areLevel(nodes: readonly SimulatedNode[]): boolean {
  const first = nodes[0]?.machine.appliedUpTo;
  return nodes.every((node) => node.machine.appliedUpTo === first && node.decidedUpTo === first);
}

function majorities(voters: number): { readonly phase1: number; readonly phase2: number } {
  const size = Math.floor(voters / 2) + 1;
  return { phase1: size, phase2: size };
}

function sum(nodes: readonly SimulatedNode[], of: (node: SimulatedNode) => number): number {
  return nodes.reduce((total, node) => total + of(node), 0);
}
