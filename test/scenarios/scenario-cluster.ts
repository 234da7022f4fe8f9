/**
 * The cluster of a scenario: real cores over the product's log in memory, with a network and a clock that move only as the
 * script says. It tells what happens, one line each, and stops at two values for one slot.
 */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import { firstConfiguration } from '../../cluster-node/contract/configuration.ts';
import type { PeerMessage } from '../../cluster-node/contract/peer.ts';
import type { CoreOptions, Input } from '../../cluster-node/paxos/interface.ts';
import { exampleMember } from '../../cluster-node/paxos/under-test/member-example.ts';
import type { PaxosRules } from '../../cluster-node/paxos/rules.ts';
import type { ClusterLine } from './language.ts';
import { isHeartbeat, messageWords } from './narration.ts';
import { ScenarioNode } from './scenario-node.ts';
import { Story } from './story.ts';
import { type Fate, type Parcel, Wires } from './wires.ts';

const TICK_MS = 10;
const HEARTBEAT_MS = 50;
const ELECTION_TIMEOUT_MS = 500;
/** `stand` gives up after it. */
const STAND_LIMIT_MS = 5000;
const FATES: Record<Fate, string> = { arrives: '', waits: '   (waits)', lost: '   (lost)' };

export class ScenarioCluster {
  nowMs = 0;
  isVerbose = false;
  readonly wires = new Wires();
  readonly rules: PaxosRules;
  readonly options: Omit<CoreOptions, 'self'>;
  #nodes = new Map<MemberSlot, ScenarioNode>();
  #queue: { readonly node: ScenarioNode; readonly input: Input }[] = [];
  #story = new Story();
  #chosen = new Map<Slot, string>();

  constructor({ size, leader, seed, leaseMs, memorySlots }: ClusterLine, rules: PaxosRules) {
    const members = Array.from({ length: size }, (_, at) => at + 1);
    this.rules = rules;
    this.options = {
      configuration: firstConfiguration(members.map(exampleMember)),
      heartbeatMs: HEARTBEAT_MS,
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      seed,
      maxUndecidedSlots: 100,
      maxBatchBytes: 1024,
      memorySlots,
      leaseReads: leaseMs === 0 ? null : { durationMs: leaseMs, driftRatio: 0.01 },
    };
    for (const member of members) this.#nodes.set(member, new ScenarioNode(this, member));
    for (const node of this.#nodes.values()) node.start();
    if (leader === 0) return;
    this.tick(null, TICK_MS);
    this.stand(leader);
    this.#story.forget(this.nowMs);
  }

  /** Throws RangeError when there is none. */
  node(member: string | number | undefined): ScenarioNode {
    const node = this.#nodes.get(Number(member));
    if (node === undefined) throw new RangeError(`there is no node ${member}`);
    return node;
  }

  add(member: MemberSlot): void {
    const node = new ScenarioNode(this, member);
    this.#nodes.set(member, node);
    node.start();
  }

  /** What was told since the last call. */
  takeLines(): string[] {
    return this.#story.take();
  }

  /** `text` follows the member's number: " writes …", "->2 accept …". */
  say(member: MemberSlot, text: string): void {
    this.#story.add(member, text, this.nowMs);
  }

  setVerbose(isVerbose: boolean): void {
    this.isVerbose = isVerbose;
  }

  tick(members: readonly MemberSlot[] | null, ms: number): void {
    const ticking = (members ?? [...this.#nodes.keys()]).map((member) => this.node(member));
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs += TICK_MS;
      for (const node of ticking) {
        node.tick();
        this.settle();
      }
    }
  }

  /** Who comes first after a timeout is a matter of jitter: here it is this node. */
  stand(member: MemberSlot): void {
    for (const end = this.nowMs + STAND_LIMIT_MS; this.node(member).status()?.role === 'follower'; ) {
      if (this.nowMs >= end) throw new Error(`node ${member} does not stand for election`);
      const nodes = [...this.#nodes.values()];
      const isAnyContent = nodes.some((node) => node.isContent);
      const ticking = nodes.filter((node) => isAnyContent || node.member === member || !node.hasTicked);
      this.tick(
        ticking.map((node) => node.member),
        TICK_MS,
      );
    }
  }

  /** An input for a node, to be taken with everything that follows from it by `settle`. */
  give(node: ScenarioNode, input: Input): void {
    this.#queue.push({ node, input });
  }

  settle(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next.node.step(next.input);
  }

  /** What left a node in one step. */
  send(parcels: readonly Parcel[]): void {
    const told = new Map<string, { from: MemberSlot; to: Set<MemberSlot>; what: string }>();
    for (const parcel of parcels) {
      const { from, to, message } = parcel;
      const fate = this.#nodes.get(to)?.isUp ? this.wires.fateOf(parcel) : 'lost';
      const words = messageWords(message);
      if (fate === 'arrives') this.#arrive(parcel);
      const isNew =
        fate === 'arrives' || (fate === 'waits' ? this.wires.keep(parcel, words) : this.wires.lose(parcel, words));
      if (!isNew || (!this.isVerbose && isNoise(message, fate))) continue;
      const what = `${words}${FATES[fate]}`;
      const same = told.get(what);
      if (same === undefined) told.set(what, { from, to: new Set([to]), what });
      else same.to.add(to);
    }
    for (const { from, to, what } of told.values()) this.say(from, `->${[...to].join(',')} ${what}`);
  }

  deliver(link: string): void {
    this.#deliverOnce(link);
    if (link === 'all') while (this.wires.hasWaiting) this.#deliverOnce(link);
  }

  flow(): void {
    this.wires.release();
    for (const node of this.#nodes.values()) node.releaseDisk();
    this.settle();
    this.deliver('all');
  }

  /** "1->2", "1<->2", or "1" for all links of one node. */
  linksOf(text: string): string[] {
    const [left, right] = text.split(/<?->/) as [string, string | undefined];
    if (right !== undefined) return text.includes('<') ? [`${left}->${right}`, `${right}->${left}`] : [text];
    const others = [...this.#nodes.keys()].filter((member) => member !== Number(left));
    return others.flatMap((other) => [`${left}->${other}`, `${other}->${left}`]);
  }

  status(): void {
    for (const node of this.#nodes.values()) this.say(node.member, ` ${node.statusWords()}`);
  }

  onDecided(slot: Slot, text: string): void {
    const known = this.#chosen.get(slot) ?? text;
    if (known !== text) throw new Error(`slot ${slot} was decided as ${known} and as ${text}`);
    this.#chosen.set(slot, text);
  }

  #deliverOnce(link: string): void {
    for (const parcel of this.wires.take(link)) {
      const { from, to, message } = parcel;
      if (this.wires.isCut(from, to) || !this.node(to).isUp) continue;
      this.say(to, ` receives from ${from}: ${messageWords(message)}`);
      this.#arrive(parcel);
      this.settle();
    }
  }

  #arrive({ from, to, message }: Parcel): void {
    this.node(to).give({ kind: 'message', from, message });
  }
}

/** What is sent all the time, and what is said again and again to nobody. */
function isNoise(message: PeerMessage, fate: Fate): boolean {
  return isHeartbeat(message) || (fate === 'lost' && message.kind === 'accept' && message.entries.length === 0);
}
