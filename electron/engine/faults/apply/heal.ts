/**
 * Healing. Each node that may hold the fault is asked to end it and then asked again what it holds; a node that cannot be
 * asked stays `unknown` until its own deadline has passed for certain. What was cut is heard again at the end, or the
 * operation says who is not.
 */
import type { ActiveFault, Link } from '../../../../cluster-node/contract/fault.ts';
import { AgentError } from '../../agents/agent-error.ts';
import { CutLinks } from '../../fleet/plan/links.ts';
import { pictureOf } from '../../fleet/plan/picture.ts';
import { holdingFaults, type MemberDesired, type Situation } from '../../fleet/plan/situation.ts';
import { listed } from '../../fleet/plan/wording.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import type { OperationBody, OperationRun } from '../../operations/operations.ts';
import { type FaultPort, hostName } from './fault-port.ts';

const HEAL = 'End the fault and read back';
const HEAR = 'Hear the peers again';
const STILL_HELD = 'stillHeld';
const HEARD_WITHIN_MS = 10_000;
/** A peer that was heard within this time is heard: heartbeats come much more often. */
const HEARD_MS = 1000;

type Outcome = Awaited<ReturnType<OperationBody>>;

/** Body of a `faultHeal` operation on one fault. */
export async function healFault(port: FaultPort, run: OperationRun, at: { clusterId: string; faultId: string }) {
  const situation = port.situation(at.clusterId);
  const named = port.ledger.get(at.faultId)?.nodes.filter((node) => node.state !== 'healed') ?? [];
  const nodes = situation.members.filter((member) => named.some((node) => node.nodeId === member.nodeId));
  return healOnAll(port, run, { situation, nodes, faultIds: async () => [at.faultId], known: [at.faultId] });
}

/** Body of a `faultHeal` operation on all faults: every node is asked what it holds, also what nobody here knows of. */
export async function healEverything(port: FaultPort, run: OperationRun, at: { clusterId: string }) {
  const situation = port.situation(at.clusterId);
  const known = holdingFaults(port.ledger.list(at.clusterId)).map((fault) => fault.faultId);
  return healOnAll(port, run, {
    situation,
    nodes: situation.members,
    known,
    faultIds: async (node) => {
      const faults = await faultsOn(port, node);
      return faults.map((fault) => fault.faultId);
    },
  });
}

interface Healing {
  readonly situation: Situation;
  readonly nodes: readonly MemberDesired[];
  /** Which faults this node is to end. */
  readonly faultIds: (node: MemberDesired) => Promise<string[]>;
  /** Those that the ledger knew at the beginning. */
  readonly known: readonly string[];
}

async function healOnAll(port: FaultPort, run: OperationRun, healing: Healing): Promise<Outcome> {
  const { situation, nodes } = healing;
  const began = port.clock();
  const faultIds = new Set(healing.known);
  run.announce(nodes.map((node) => ({ ...placeOf(situation, node), step: HEAL })));
  for (const faultId of faultIds) port.ledger.beginHealing(faultId);
  const results = await Promise.allSettled(
    nodes.map((node) =>
      run.step({ ...placeOf(situation, node), step: HEAL }, async () => {
        const ids = await healing.faultIds(node);
        for (const faultId of ids) {
          faultIds.add(faultId);
          port.ledger.beginHealing(faultId);
          await healOn(port, { faultId, node });
        }
        return ids.length === 0
          ? { state: 'unchanged', detail: `${node.name} holds no fault` }
          : { state: 'succeeded', detail: `${node.name} holds it no longer` };
      }),
    ),
  );
  const links = [...faultIds].flatMap((faultId) => port.ledger.get(faultId)?.links ?? []);
  for (const faultId of faultIds) port.ledger.release(faultId);
  for (const result of results)
    if (result.status === 'rejected' && failureOf(result.reason).kind === STILL_HELD) throw result.reason;
  const unhealed = nodes.filter((_, at) => results[at]?.status === 'rejected').map((node) => node.name);
  const tookMs = Math.round(port.clock() - began);
  if (unhealed.length > 0)
    return {
      state: 'unknown',
      outcome: `${listed(unhealed)} could not be asked: they heal by themselves at the deadline. The others are healed.`,
    };
  if (faultIds.size === 0) return 'No node holds a fault.';
  const heard = await hearAgain(port, run, { clusterId: situation.cluster.clusterId, links });
  return `Healed on ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'} in ${tookMs} ms. ${heard}`;
}

function placeOf(situation: Situation, node: MemberDesired) {
  return { hostId: node.hostId, host: hostName(situation, node.hostId) };
}

/**
 * Ends one fault on one node and reads back that it is gone. Throws AgentError when the node cannot be asked (the ledger then
 * knows the fault as unknown there), FailureError `stillHeld` when it says that it holds the fault nevertheless.
 */
export async function healOn(port: FaultPort, at: { faultId: string; node: MemberDesired }): Promise<void> {
  const { nodeId, hostId } = at.node;
  let faults: ActiveFault[];
  try {
    await port.agents.call(hostId, 'healFault', { nodeId, faultId: at.faultId }).catch(unlessNotRunning);
    faults = await faultsOn(port, at.node);
  } catch (error) {
    port.ledger.note(at.faultId, { nodeId, state: 'unknown', failure: failureOf(error) });
    throw error;
  }
  const held = faults.find((fault) => fault.faultId === at.faultId);
  if (held) throw stillHeld(at.node, held);
  port.ledger.note(at.faultId, { nodeId, state: 'healed' });
}

function stillHeld(node: MemberDesired, fault: ActiveFault): FailureError {
  const seconds = Math.ceil(fault.remainingMs / 1000);
  return new FailureError({
    kind: STILL_HELD,
    command: `synod-node agent: healFault ${node.nodeId}`,
    message: `${node.name} was asked to end the fault and still holds it.`,
    nextStep: `Heal it again; ${node.name} ends it by itself in ${seconds} s, and restarting ${node.name} ends it at once.`,
  });
}

/** What a node holds now; nothing when it does not run, since a lease ends with its process. Throws AgentError. */
async function faultsOn(port: FaultPort, node: MemberDesired): Promise<ActiveFault[]> {
  const { nodeId, hostId } = node;
  const { faults } = (await port.agents.call(hostId, 'listFaults', { nodeId }).catch(unlessNotRunning)) ?? {
    faults: [],
  };
  port.ledger.noteHeld(nodeId, faults);
  return faults;
}

function unlessNotRunning(error: unknown): undefined {
  if (error instanceof AgentError && error.kind === 'notRunning') return undefined;
  throw error;
}

/** Waits until what was cut is heard again on both ends, as far as both run; says in a sentence what came of it. */
async function hearAgain(
  port: FaultPort,
  run: OperationRun,
  at: { clusterId: string; links: readonly Link[] },
): Promise<string> {
  let sentence = '';
  await run.step({ hostId: null, host: null, step: HEAR }, async () => {
    const healedAt = port.clock();
    const heard = await port.observations.waitFor(
      () => (deafNodes(port.situation(at.clusterId), { links: at.links, healedAt }).length === 0 ? true : null),
      { timeoutMs: HEARD_WITHIN_MS, signal: run.signal },
    );
    const deaf = deafNodes(port.situation(at.clusterId), { links: at.links, healedAt });
    sentence = heard ? 'All that was cut is heard again.' : `${listed(deaf)} does not hear its peers yet.`;
    return { state: heard ? 'succeeded' : 'unknown', detail: sentence };
  });
  return sentence;
}

/** Running nodes that do not hear a running peer that they should hear again; a node not sampled since is one of them. */
function deafNodes(situation: Situation, at: { links: readonly Link[]; healedAt: number }): string[] {
  const { members } = pictureOf(situation);
  const stillCut = new CutLinks(holdingFaults(situation.faults).flatMap((fault) => fault.links));
  const running = new Set(members.filter((one) => one.alive === true).map((one) => one.memberSlot));
  const expected = at.links.filter(({ from, to }) => running.has(from) && running.has(to) && !stillCut.cuts(from, to));
  return members
    .filter((member) => {
      const sources = expected.filter((link) => link.to === member.memberSlot).map((link) => link.from);
      if (sources.length === 0) return false;
      if ((member.observation?.observedAtUnixMs ?? 0) <= at.healedAt) return true;
      const peers = member.sample?.peers ?? [];
      return !sources.every((from) =>
        peers.some((peer) => peer.memberSlot === from && peer.heardMsAgo !== null && peer.heardMsAgo <= HEARD_MS),
      );
    })
    .map((member) => member.name);
}
