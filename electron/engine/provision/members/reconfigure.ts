/**
 * One step of a cluster's configuration, asked of whoever leads until it is seen to be in force. A step that was done already (by an
 * engine that did not live to hear of it) is not asked for again.
 */
import type { Configuration, ConfigurationChange } from '../../../../cluster-node/contract/configuration.ts';
import { AgentError } from '../../agents/agent-error.ts';
import type { MemberPicture, Picture } from '../../fleet/plan/picture.ts';
import { follow } from '../../nodes/follow.ts';
import type { NodePort } from '../../nodes/node-port.ts';
import { FailureError } from '../../operations/failure.ts';

export interface ConfigurationStep {
  readonly isDone: (now: Configuration) => boolean;
  readonly change: ConfigurationChange;
  /** "node-4 could not be made a voter" */
  readonly failed: string;
}

export interface Asked {
  readonly clusterId: string;
  readonly signal: AbortSignal;
}

const ANSWER_WITHIN_MS = 4000;
/** The leader refuses what would be unsafe now: a learner that lags, a voter that is away. Both may pass. */
const IN_FORCE_WITHIN_MS = 30_000;
const NEWS_WITHIN_MS = 1500;
const SEEN_WITHIN_MS = 5000;

/** As the leader has it. Throws FailureError `noLeader`. */
export function configurationNow(port: NodePort, at: Asked): Promise<Configuration> {
  return insist(port, at, 'The configuration could not be read', async ({ hostId, nodeId }) => {
    const { configuration } = await port.agents.call(hostId, 'configuration', { nodeId });
    return { configuration };
  });
}

/** Until the nodes are seen to be in it. Throws FailureError `reconfigureRefused` with the leader's reason, or `noLeader`. */
export async function reconfigure(port: NodePort, at: Asked, step: ConfigurationStep): Promise<Configuration> {
  const reached = await insist(port, at, step.failed, async ({ hostId, nodeId }) => {
    const { configuration } = await port.agents.call(hostId, 'configuration', { nodeId });
    if (step.isDone(configuration)) return { configuration };
    const asked = { nodeId, change: step.change, timeoutMs: ANSWER_WITHIN_MS };
    const answer = await port.agents.call(hostId, 'reconfigure', asked);
    return step.isDone(answer.configuration) ? answer : { reason: answer.reason };
  });
  const wait = { ...at, timeoutMs: SEEN_WITHIN_MS };
  await follow(port, wait, (now) => (now.configId >= reached.configId ? now : null));
  return reached;
}

type Heard = { readonly configuration: Configuration } | { readonly reason: string };

async function insist(
  port: NodePort,
  at: Asked,
  failed: string,
  ask: (leader: MemberPicture) => Promise<Heard>,
): Promise<Configuration> {
  const deadline = port.clock() + IN_FORCE_WITHIN_MS;
  let reason: string | null = null;
  for (let left = IN_FORCE_WITHIN_MS; left > 0; left = deadline - port.clock()) {
    const leader = await follow(port, { ...at, timeoutMs: left }, leaderOf);
    if (leader === null) break;
    const heard = await asking(() => ask(leader));
    if ('configuration' in heard) return heard.configuration;
    reason = heard.reason;
    const askedAt = port.clock();
    await follow(port, { ...at, timeoutMs: NEWS_WITHIN_MS }, (now) => (isNews(now, askedAt) ? now : null));
  }
  at.signal.throwIfAborted();
  const name = port.picture(at.clusterId).situation.cluster.name;
  throw new FailureError({
    kind: reason === null ? 'noLeader' : 'reconfigureRefused',
    message: `${failed}: ${reason ?? `nobody is agreed to lead ${name}`}.`,
    nextStep: 'Put that right, then run this again: it goes on where it stopped.',
  });
}

/** What was asked may have been done although no answer came: the next round reads it back. */
async function asking(ask: () => Promise<Heard>): Promise<Heard> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AgentError) return { reason: error.message };
    throw error;
  }
}

function leaderOf(picture: Picture): MemberPicture | null {
  return picture.members.find((member) => member.memberSlot === picture.leader?.memberSlot) ?? null;
}

function isNews({ members }: Picture, sinceUnixMs: number): boolean {
  return members.some(({ observation }) => (observation?.observedAtUnixMs ?? 0) > sinceUnixMs);
}
