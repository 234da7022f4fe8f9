/**
 * One seed, one history. First the safety phase: clients, and whatever faults the seed's mix has, while the checker watches
 * every step. Then the liveness phase: a quorum-connected core comes to rest, the rest of the world stays broken as it is,
 * and every request taken in by the core must end in bounded virtual time. At last everything heals, and all nodes must
 * become level.
 */
import { Violation } from './checker.ts';
import { CORRECT, type Control } from './controls.ts';
import { FaultSchedule } from './faults.ts';
import { ELECTION_TIMEOUT_MS, SimulatedNode } from './node.ts';
import { Random } from './random.ts';
import { drawMix, type Mix } from './swarm.ts';
import { World } from './world.ts';

/** Four timeouts to elect, two to send again what a dead leader swallowed, two for what an election may have to catch up. */
const LIVENESS_BOUND_MS = 8 * ELECTION_TIMEOUT_MS;
/** A node far behind may need a round trip and a disk read for each slot when pages are small. */
const CATCH_UP_MS_PER_SLOT = 5;
/** A node far behind in small pages needs some time; it must only ever end. */
const LEVEL_BOUND_MS = 60 * ELECTION_TIMEOUT_MS;

export interface Outcome {
  readonly seed: number;
  readonly mix: Mix;
  readonly violation: { readonly invariant: string; readonly detail: string } | null;
  readonly traceHash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly acknowledged: number;
  readonly readsAnswered: number;
  readonly decidedUpTo: number;
  readonly faults: Readonly<Record<string, number>>;
}

/** `listener` is told protocol events and faults in words. */
export function simulate(
  seed: number,
  control: Control = CORRECT,
  listener: ((line: string) => void) | null = null,
): Outcome {
  const random = new Random(seed);
  const mix = drawMix(random);
  const world = new World(random, mix, control);
  world.trace.listener = listener;
  const nodes = world.members.map((member) => new SimulatedNode(world, member));
  let violation: Outcome['violation'] = null;
  try {
    runSafetyPhase(world, nodes);
    runLivenessPhase(world, nodes);
  } catch (error) {
    // An assertion of the core that fails is a finding like any other.
    const invariant = error instanceof Violation ? error.invariant : 'assertion of the core';
    violation = { invariant, detail: error instanceof Error ? error.message : String(error) };
  }
  return {
    seed,
    mix,
    violation,
    traceHash: world.trace.hash,
    steps: world.trace.steps,
    virtualMs: world.nowMs,
    acknowledged: sum(nodes, (node) => node.acknowledged),
    readsAnswered: sum(nodes, (node) => node.readsAnswered),
    decidedUpTo: Math.max(...nodes.map((node) => node.status()?.decidedUpTo ?? 0)),
    faults: world.faults,
  };
}

function runSafetyPhase(world: World, nodes: readonly SimulatedNode[]): void {
  const faults = new FaultSchedule(world, nodes);
  let isOver = false;
  const client = (gapMs: number, act: () => void): void => {
    world.after(world.random.gap(gapMs), () => {
      if (isOver) return;
      act();
      client(gapMs, act);
    });
  };
  for (const node of nodes) {
    node.start();
    client(world.mix.proposeGapMs, () => node.propose());
    client(world.mix.readGapMs, () => node.read());
  }
  faults.start();
  world.runUntil(world.mix.safetyMs);
  faults.stop();
  isOver = true;
}

function runLivenessPhase(world: World, nodes: readonly SimulatedNode[]): void {
  const quorum = Math.floor(nodes.length / 2) + 1;
  const core = world.random.shuffled(nodes).slice(0, world.random.integer(quorum, nodes.length));
  world.calmSinceMs = world.nowMs;
  world.trace.tell(() => `${world.nowMs.toFixed(1)} calm: core ${core.map((node) => node.member).join(' ')}`);
  for (const node of nodes) node.crashAfterEffects = null;
  for (const from of core) for (const to of core) world.heal(from.member, to.member);
  for (const node of core) {
    if (!node.isUp) node.start();
    node.pause(0);
    node.propose();
    node.read();
  }
  const boundMs = LIVENESS_BOUND_MS + lagSlots(core, nodes) * CATCH_UP_MS_PER_SLOT;
  expectWithin(world, boundMs, 'every request ends', () => core.every((node) => node.waiting.size === 0));
  if (core.some((node) => node.refusedInCalm > 0))
    throw new Violation('liveness', 'a request was given back: no leader');
  world.healAll();
  for (const node of nodes) if (!node.isUp) node.start();
  expectWithin(world, LEVEL_BOUND_MS, 'all nodes level', () => areLevel(nodes));
}

function expectWithin(world: World, boundMs: number, what: string, isDone: () => boolean): void {
  if (!world.runUntil(world.nowMs + boundMs, isDone))
    throw new Violation('liveness', `not within ${Math.round(boundMs)} ms of virtual time: ${what}`);
}

/** How many slots the slowest node of the core may have to learn: what is decided anywhere, and what is about to be. */
function lagSlots(core: readonly SimulatedNode[], all: readonly SimulatedNode[]): number {
  const end = all.map((node) => {
    const status = node.status();
    return status === null
      ? node.disk.decidedUpTo
      : Math.max(status.acceptedUpTo, status.decidedUpTo + status.undecidedSlots);
  });
  return Math.max(...end) - Math.min(...core.map((node) => node.status()?.decidedUpTo ?? 0));
}

function areLevel(nodes: readonly SimulatedNode[]): boolean {
  const first = nodes[0]?.status()?.appliedUpTo;
  return nodes.every((node) => {
    const status = node.status();
    return status !== null && status.appliedUpTo === first && status.appliedUpTo === status.decidedUpTo;
  });
}

function sum(nodes: readonly SimulatedNode[], of: (node: SimulatedNode) => number): number {
  return nodes.reduce((total, node) => total + of(node), 0);
}
