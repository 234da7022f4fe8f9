/**
 * Starting, stopping, restarting and killing a node through the agent on its host, followed to the end: a stopped node is
 * done when its service says stopped, a started one when it has caught up with the others. A call that got no answer is not
 * a failure: what the service says afterwards decides.
 */
import type { AgentCall, AgentParams, AgentResult } from '../../../cluster-node/contract/agent.ts';
import type { ServiceState } from '../../../cluster-node/contract/sample.ts';
import { isOutcomeUnknown } from '../agents/agent-error.ts';
import type { MemberPicture, Picture } from '../fleet/plan/picture.ts';
import { FailureError } from '../operations/failure.ts';
import type { OperationBody, OperationRun, StepName } from '../operations/operations.ts';
import { follow, headNow, isLevel, leaderChangeAfter, memberOf, sayLeaderChange } from './follow.ts';
import type { NodePort, ServicePort } from './node-port.ts';

export type ServiceAction = 'nodeStart' | 'nodeStop' | 'nodeRestart' | 'nodeKill';
type Outcome = Awaited<ReturnType<OperationBody>>;

/** How long a node may take to be level again before the operation stops watching and says how far it is. */
const LEVEL_WITHIN_MS = 60_000;
/** How long a host is waited for that was not heard of, as all are when the engine has only just begun. */
const HEARD_WITHIN_MS = 5000;
/** How long the others are watched for a new leader. */
const LEADER_WITHIN_MS = 10_000;
/** How long a service is asked again after a call without an answer. */
const READ_BACK_MS = 30_000;

export async function runServiceAction(
  port: NodePort,
  run: OperationRun,
  at: { kind: ServiceAction; clusterId: string; nodeId: string },
): Promise<Outcome> {
  const before = port.picture(at.clusterId);
  const member = memberOf(before, at.nodeId);
  const began: Began = {
    ...at,
    member,
    host: before.situation.hosts.get(member.hostId)?.name ?? member.hostId,
    head: headNow(before),
    led: before.leader?.memberSlot === member.memberSlot,
    atUnixMs: port.clock(),
  };
  switch (at.kind) {
    case 'nodeStart':
      return start(port, run, began);
    case 'nodeStop':
      return stop(port, run, began);
    case 'nodeRestart':
      return restart(port, run, began);
    case 'nodeKill':
      return kill(port, run, began);
  }
}

/** The node and the cluster as they were when the operation began. */
interface Began {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly member: MemberPicture;
  readonly host: string;
  readonly head: number;
  readonly led: boolean;
  readonly atUnixMs: number;
}

async function start(port: NodePort, run: OperationRun, began: Began): Promise<Outcome> {
  run.announce([onHost(began, 'Start'), onHost(began, 'Catch up')]);
  await serve(port, run, { began, step: 'Start', call: 'start', wanted: 'running' });
  return await catchUp(port, run, { began, exceptPid: null, what: 'runs' });
}

async function stop(port: NodePort, run: OperationRun, began: Began): Promise<Outcome> {
  run.announce([onHost(began, 'Stop'), ...(began.led ? [whole('Follow the leader')] : [])]);
  markEnd(port, began);
  await serve(port, run, { began, step: 'Stop', call: 'stop', wanted: 'stopped' });
  const leader = began.led ? await followLeader(port, run, began) : '';
  return `${began.member.name} is stopped.${leader}`;
}

async function restart(port: NodePort, run: OperationRun, began: Began): Promise<Outcome> {
  run.announce([onHost(began, 'Restart'), onHost(began, 'Catch up')]);
  markEnd(port, began);
  await serve(port, run, { began, step: 'Restart', call: 'restart', wanted: 'running' });
  return await catchUp(port, run, { began, exceptPid: began.member.service?.pid ?? null, what: 'runs again' });
}

async function kill(port: NodePort, run: OperationRun, began: Began): Promise<Outcome> {
  run.announce([onHost(began, 'Kill'), onHost(began, 'Catch up')]);
  let killedPid = began.member.service?.pid ?? null;
  await run.step(onHost(began, 'Kill'), async () => {
    markEnd(port, began);
    const answer = await orUnknown(() => port.agents.call(began.member.hostId, 'kill', { nodeId: began.nodeId }));
    if (answer === 'unknown') return { state: 'unknown', detail: 'no answer; what runs now decides' };
    killedPid = answer.killedPid;
    return { state: 'succeeded', detail: `process ${answer.killedPid} killed` };
  });
  return await catchUp(port, run, { began, exceptPid: killedPid, what: 'was killed and runs again' });
}

/** From this moment on nobody leads, if it was the leader: the gap to the next leader is measured from here. */
function markEnd(port: NodePort, began: Began): void {
  if (began.led) port.leaders.markEnded(began.clusterId, began.member.memberSlot, port.clock());
}

type ServiceCall = Extract<AgentCall, 'start' | 'stop' | 'restart'>;

/** Asks for a service state and makes sure of it, by reading back if the answer is missing. */
async function serve(
  port: NodePort,
  run: OperationRun,
  at: { began: Began; step: string; call: ServiceCall; wanted: ServiceState['state'] },
): Promise<void> {
  const { began, call, wanted } = at;
  await run.step(onHost(began, at.step), async () => {
    const { clusterId, nodeId } = began;
    const request = { clusterId, nodeId, hostId: began.member.hostId, call, wanted };
    const found = await askService(port, request, run.signal);
    if (found?.state === wanted) return { state: 'succeeded', detail: sayService(found) };
    throw notAsWanted(began, found, wanted);
  });
}

export interface ServiceRequest {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly hostId: string;
  readonly call: ServiceCall;
  readonly wanted: ServiceState['state'];
}

/**
 * What the service is after the call: as the agent answers or, where its answer is missing, as the next samples say. null:
 * nothing was heard in time. Throws AgentError where the call certainly had no effect.
 */
export async function askService(
  port: ServicePort,
  request: ServiceRequest,
  signal: AbortSignal,
): Promise<ServiceState | null> {
  const params: AgentParams<ServiceCall> = { nodeId: request.nodeId };
  const answer = await orUnknown<AgentResult<ServiceCall>>(() =>
    port.agents.call(request.hostId, request.call, params),
  );
  if (answer === 'unknown') return await readBack(port, request, signal);
  // A sample from before would still show the node as it was, and the next action be judged by that.
  port.observations.takeAnswer(answer, port.clock());
  return answer;
}

/** What the next samples say of the service, once it is as wanted or has failed; null: nothing was heard in time. */
async function readBack(port: ServicePort, request: ServiceRequest, signal: AbortSignal): Promise<ServiceState | null> {
  const askedAt = port.clock();
  const seen = () => memberOf(port.picture(request.clusterId), request.nodeId);
  const settled = await port.observations.waitFor(
    () => {
      const { service, observation } = seen();
      const isNews = (observation?.observedAtUnixMs ?? 0) > askedAt;
      return isNews && (service?.state === request.wanted || service?.state === 'failed') ? service : null;
    },
    { timeoutMs: READ_BACK_MS, signal },
  );
  return settled ?? seen().service;
}

/** The result, or that it is unknown whether the call took effect. Throws what certainly had none. */
async function orUnknown<T>(call: () => Promise<T>): Promise<T | 'unknown'> {
  try {
    return await call();
  } catch (error) {
    if (isOutcomeUnknown(error)) return 'unknown';
    throw error;
  }
}

function notAsWanted(began: Began, found: ServiceState | null, wanted: ServiceState['state']): FailureError {
  const state = found ? sayService(found) : 'unknown: its host is not heard of';
  return new FailureError({
    kind: found ? 'notAsWanted' : 'unknown',
    host: began.host,
    message: `${began.member.name} should be ${wanted}, but its service is ${state}.`,
    nextStep: found
      ? `Read the log of ${began.member.name}, then run it again.`
      : 'Wait until the host is heard again, see what runs there, then run it again.',
  });
}

export function sayService(service: ServiceState): string {
  const pid = service.pid === null ? '' : `, process ${service.pid}`;
  return `${service.state}${pid}${service.reason ? `: ${service.reason}` : ''}`;
}

/** Waits until the node is level with where the others were; says how long that took, or how far it is. */
async function catchUp(
  port: NodePort,
  run: OperationRun,
  at: { began: Began; exceptPid: number | null; what: string },
): Promise<Outcome> {
  const { began } = at;
  const { name } = began.member;
  let outcome: Outcome = '';
  await run.step(onHost(began, 'Catch up'), async () => {
    const head = Math.max(began.head, headNow(port.picture(began.clusterId)));
    const wait = { clusterId: began.clusterId, timeoutMs: LEVEL_WITHIN_MS, signal: run.signal };
    const since = port.clock();
    const level = await follow(port, wait, (picture) => {
      const member = memberOf(picture, began.nodeId);
      if (isLevel(member, { head, exceptPid: at.exceptPid })) return member;
      const isNew = member.sample !== null && member.sample.pid !== at.exceptPid;
      return isNew && lacksQuorum(picture, port.clock() - since) ? 'too few' : null;
    });
    if (level === 'too few') {
      const { members } = port.picture(began.clusterId);
      const running = members.filter((member) => member.alive).length;
      const waits = `waits for a quorum: ${running} of ${members.length} nodes run`;
      outcome = `${name} ${at.what} and ${waits}.`;
      return { state: 'skipped', detail: waits };
    }
    if (level === null) {
      const picture = port.picture(began.clusterId);
      const member = memberOf(picture, began.nodeId);
      const sentence = `${name} ${at.what}, but is not level after ${LEVEL_WITHIN_MS / 1000} s: ${sayDistance(member, head)}.`;
      outcome = { state: 'unknown', outcome: sentence };
      return { state: 'unknown', detail: sentence };
    }
    const seconds = ((port.clock() - began.atUnixMs) / 1000).toFixed(1);
    outcome = `${name} ${at.what}, level with the others after ${seconds} s.${await newLeader(port, run, began)}`;
    return { state: 'succeeded', detail: `decided up to ${level.sample?.decidedUpTo ?? head}` };
  });
  return outcome;
}

/** Fewer voters than a quorum can be seen to run, and those of hosts that were not heard yet had time to be. */
function lacksQuorum(picture: Picture, waitedMs: number): boolean {
  if (picture.possiblyAlive.length < picture.quorumSize) return true;
  const running = picture.members.filter((member) => member.alive).length;
  return running < picture.quorumSize && waitedMs > HEARD_WITHIN_MS;
}

function sayDistance(member: MemberPicture, head: number): string {
  if (!member.fresh) return 'nothing is heard of it';
  if (member.sample === null) return `its service is ${member.service?.state ?? 'unknown'} and it does not answer`;
  if (!member.sample.quorumConnected) return 'it does not reach a quorum';
  return `decided up to ${member.sample.decidedUpTo} of ${head}`;
}

async function followLeader(port: NodePort, run: OperationRun, began: Began): Promise<string> {
  let sentence = ' No other node leads: writes have stopped.';
  await run.step(whole('Follow the leader'), async () => {
    const now = port.picture(began.clusterId);
    const left = now.possiblyAlive.filter((slot) => slot !== began.member.memberSlot).length;
    if (left < now.quorumSize) return { state: 'skipped', detail: 'too few voters are left for another leader' };
    const wait = { clusterId: began.clusterId, timeoutMs: LEADER_WITHIN_MS, signal: run.signal };
    const picture = await follow(port, wait, (now) =>
      now.leader !== null && now.leader.memberSlot !== began.member.memberSlot ? now : null,
    );
    if (picture === null) return { state: 'unknown', detail: 'no other node leads' };
    const leader = picture.members.find((member) => member.memberSlot === picture.leader?.memberSlot);
    sentence = (await newLeader(port, run, began)) || ` ${leader?.name ?? 'Another node'} leads.`;
    return { state: 'succeeded', detail: sentence.trim() };
  });
  return sentence;
}

/** A sentence on who took over from this node, if it led. */
async function newLeader(port: NodePort, run: OperationRun, began: Began): Promise<string> {
  if (!began.led) return '';
  const at = { clusterId: began.clusterId, sinceUnixMs: began.atUnixMs, signal: run.signal };
  return sayLeaderChange(port.picture(began.clusterId), await leaderChangeAfter(port, at));
}

function onHost(began: Began, step: string): StepName {
  return { hostId: began.member.hostId, host: began.host, step };
}

function whole(step: string): StepName {
  return { hostId: null, host: null, step };
}
