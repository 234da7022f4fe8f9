/**
 * Healing. Each node that may hold the fault is asked to end it and then asked again what it holds; a node that cannot be
 * asked stays `unknown` until its own deadline has passed for certain. What was cut is heard again at the end, or the
 * operation says who is not.
 */
import type { ActiveFault, Link } from '../../../../cluster-node/contract/fault.ts';
import { AgentError } from '../../agents/agent-error.ts';
import { CutLinks } from '../../fleet/plan/links.ts';
import { pictureOf } from '../../fleet/plan/picture.ts';
import { whyIdle } from '../../fleet/plan/fault-consequence.ts';
import { holdingFaults, type MemberDesired, type Situation } from '../../fleet/plan/situation.ts';
import { counted, listed } from '../../fleet/plan/wording.ts';
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
      return faults?.map((fault) => fault.faultId) ?? null;
    },
  });
}

interface Healing {
  readonly situation: Situation;
  readonly nodes: readonly MemberDesired[];
  /** Which faults this node is to end; null: it does not run. */
  readonly faultIds: (node: MemberDesired) => Promise<string[] | null>;
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
        const idle = { state: 'unchanged', healed: false } as const;
        if (ids === null) return { ...idle, detail: `${node.name} does not run and holds no fault` };
        if (ids.length === 0) return { ...idle, detail: `${node.name} holds no fault` };
        let healed = false;
        for (const faultId of ids) {
          faultIds.add(faultId);
          port.ledger.beginHealing(faultId);
          if ((await healOn(port, { faultId, node })) === 'readBack') healed = true;
        }
        return healed
          ? { state: 'succeeded', healed, detail: `${node.name} holds it no longer` }
          : { ...idle, detail: `${node.name} does not run: the fault ended with its process` };
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
  const healed = results.filter((result) => result.status === 'fulfilled' && result.value.healed).length;
  const heard = await hearAgain(port, run, { clusterId: situation.cluster.clusterId, links });
  return `${healed === 0 ? 'No node holds it any more' : `Healed on ${counted(healed, 'node')} in ${tookMs} ms`}. ${heard}`;
}

function placeOf(situation: Situation, node: MemberDesired) {
  return { hostId: node.hostId, host: hostName(situation, node.hostId) };
}

/**
 * Ends one fault on one node and reads back that it is gone; `notRunning`: there is no process that could hold it. Throws AgentError when the node cannot be asked (the ledger then
 * knows the fault as unknown there), FailureError `stillHeld` when it says that it holds the fault nevertheless.
 */
export async function healOn(
  port: FaultPort,
  at: { faultId: string; node: MemberDesired },
): Promise<'readBack' | 'notRunning'> {
  const { nodeId, hostId } = at.node;
  let faults: ActiveFault[] | null;
  try {
    await port.agents.call(hostId, 'healFault', { nodeId, faultId: at.faultId }).catch(unlessNotRunning);
    faults = await faultsOn(port, at.node);
  } catch (error) {
    port.ledger.note(at.faultId, { nodeId, state: 'unknown', failure: failureOf(error) });
    throw error;
  }
  const held = faults?.find((fault) => fault.faultId === at.faultId);
  if (held) throw stillHeld(at.node, held);
  port.ledger.note(at.faultId, { nodeId, state: 'healed' });
  return faults === null ? 'notRunning' : 'readBack';
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

/** What a node holds now; null when it does not run, so that it holds nothing: a lease ends with its process. Throws AgentError. */
async function faultsOn(port: FaultPort, node: MemberDesired): Promise<ActiveFault[] | null> {
  const { nodeId, hostId } = node;
  const answer = await port.agents.call(hostId, 'listFaults', { nodeId }).catch(unlessNotRunning);
  port.ledger.noteHeld(nodeId, answer?.faults ?? []);
  return answer?.faults ?? null;
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
    const unseen = unseenEnds(port.situation(at.clusterId), at.links);
    const all = unseen.some ? 'The rest of what was cut' : 'All that was cut';
    const seen = heard
      ? `${all} is heard again.`
      : `${listed(deaf)} ${deaf.length === 1 ? 'does' : 'do'} not hear all peers yet.`;
    sentence = [unseen.sentence, ...(heard && unseen.all ? [] : [seen])].join(' ').trim();
    return { state: heard && !unseen.some ? 'succeeded' : 'unknown', detail: sentence };
  });
  return sentence;
}

/** Links of which an end does not run, so that nothing can be heard on them, whether cut or not. */
function unseenEnds(situation: Situation, links: readonly Link[]) {
  const silent = pictureOf(situation).members.filter((one) => one.alive !== true);
  const isUnseen = (link: Link) => silent.some(({ memberSlot }) => memberSlot === link.from || memberSlot === link.to);
  const ends = silent.filter(({ memberSlot }) =>
    links.some(({ from, to }) => from === memberSlot || to === memberSlot),
  );
  const sentences = ends.map((one) => `${one.name} ${whyIdle(situation, one)}: its links cannot be seen.`);
  return { some: ends.length > 0, all: links.every(isUnseen), sentence: sentences.join(' ') };
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
