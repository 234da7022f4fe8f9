/** The contract, implemented: each call is one line into the engine, and each failure leaves it as a `Failure`. */
import { implement, ORPCError } from '@orpc/server';
import { contract, type PreflightRequest } from '../contract/contract.ts';
import type { Operation } from '../contract/model.ts';
import type { Agents } from './agents/agents.ts';
import { readBackup } from './backup/backup-file.ts';
import type { Backups } from './backup/backups.ts';
import type { Hosts } from './fleet/hosts.ts';
import type { Privileges } from './fleet/privileges.ts';
import type { LiveFleet } from './fleet/live-fleet.ts';
import type { FleetStore } from './fleet/store.ts';
import { watchTimeline } from './fleet/timeline.ts';
import type { Actions } from './nodes/actions.ts';
import { FailureError, failureOf } from './operations/failure.ts';
import type { Operations } from './operations/operations.ts';
import { beginFix } from './preflight/fix.ts';
import { oneHost, preflight } from './preflight/preflight.ts';
import type { Clusters } from './provision/clusters.ts';
import type { Prompts } from './prompts.ts';
import type { LabFleet } from './provision/lab-fleet.ts';
import { refusedInput } from './refused-input.ts';
import type { History } from './telemetry/history.ts';
import { clusterSeries } from './telemetry/series.ts';

export interface RouterParts {
  readonly store: FleetStore;
  readonly hosts: Hosts;
  readonly privileges: Privileges;
  readonly agents: Agents;
  readonly operations: Operations;
  readonly clusters: Clusters;
  readonly backups: Backups;
  readonly fleet: LiveFleet;
  readonly history: History;
  readonly lab: LabFleet;
  readonly actions: Actions;
  readonly prompts: Prompts;
}

export type EngineRouter = ReturnType<typeof createRouter>;

export function createRouter(parts: RouterParts) {
  const os = failing();
  return os.router({
    ...fleetCalls(os, parts),
    ...clusterCalls(os, parts),
    ...historyCalls(os, parts),
    backups: backupCalls(os, parts),
    lab: labCalls(os, parts),
  });
}

type Os = ReturnType<typeof failing>;

/** The contract's implementer, by which whatever is thrown becomes the contract's `FAILED`. */
function failing() {
  return implement(contract).use(async ({ next }) => {
    try {
      return await next();
    } catch (error) {
      const refused = error instanceof ORPCError ? refusedInput(error) : error;
      if (refused === null) throw error;
      const data = failureOf(refused);
      throw new ORPCError('FAILED', { message: data.message, data, defined: true, cause: error });
    }
  });
}

function fleetCalls(os: Os, { fleet, hosts, privileges, store, operations, prompts }: RouterParts) {
  const parts = { hosts, store, operations };
  const check = async (request: PreflightRequest, signal = new AbortController().signal) => {
    const report = await preflight(parts, request, signal);
    return { ...report, hosts: report.hosts.map(({ hostId, items }) => ({ host: fleet.hostView(hostId), items })) };
  };
  return {
    fleet: {
      watch: os.fleet.watch.handler(({ signal }) => fleet.watch(signal)),
      get: os.fleet.get.handler(() => fleet.snapshot()),
    },
    hosts: {
      add: os.hosts.add.handler(async ({ input }) => fleet.hostView((await hosts.add(input)).hostId)),
      trustKey: os.hosts.trustKey.handler(async ({ input }) => {
        await hosts.trustKey(input.hostId, input.fingerprint);
        return fleet.hostView(input.hostId);
      }),
      setTransport: os.hosts.setTransport.handler(async ({ input: { hostId, transport } }) => {
        await hosts.move(hostId, { ...hosts.get(hostId), transport });
        return fleet.hostView(hostId);
      }),
      provideSecret: os.hosts.provideSecret.handler(async ({ input }) => {
        if (input.purpose === 'login') await hosts.provideSecret(input.hostId, input.secret);
        else {
          await privileges.provide(input.hostId, input.secret);
          await hosts.gather(input.hostId);
        }
        return fleet.hostView(input.hostId);
      }),
      check: os.hosts.check.handler(async ({ input, signal }) => {
        const [checked] = (await check(oneHost(input.hostId), signal)).hosts;
        return checked ?? { host: fleet.hostView(input.hostId), items: [] };
      }),
      preflight: os.hosts.preflight.handler(({ input, signal }) => check(input, signal)),
      fix: os.hosts.fix.handler(({ input }) => started(beginFix(parts, input))),
      resolve: os.hosts.resolve.handler(({ input }) => hosts.resolve(input.alias)),
      listConfigured: os.hosts.listConfigured.handler(() => hosts.listConfigured()),
      remove: os.hosts.remove.handler(async ({ input }) => {
        await hosts.remove(input.hostId);
        return { removed: true };
      }),
    },
    prompts: {
      watch: os.prompts.watch.handler(({ signal }) => prompts.watch(signal)),
      answer: os.prompts.answer.handler(({ input: { promptId, answers, keep } }) => ({
        wasOpen: prompts.answer(promptId, answers === null ? null : { answers, keep }),
      })),
    },
  };
}

function clusterCalls(os: Os, parts: RouterParts) {
  const { clusters, history, store } = parts;
  return {
    clusters: {
      plan: os.clusters.plan.handler(({ input }) => clusters.plan(input)),
      create: os.clusters.create.handler(async ({ input }) => {
        const { operation, clusterId } = await clusters.create(input);
        return { operationId: operation.operationId, clusterId };
      }),
      apply: os.clusters.apply.handler(({ input }) => {
        const { operation, clusterId } = clusters.apply(input);
        return { operationId: operation.operationId, clusterId };
      }),
      resume: os.clusters.resume.handler(({ input }) => started(clusters.resume(input.clusterId))),
      restart: os.clusters.restart.handler(({ input }) => started(clusters.restart(input))),
      previewMembers: os.clusters.previewMembers.handler(({ input }) => clusters.members.preview(input)),
      changeMembers: os.clusters.changeMembers.handler(async ({ input }) =>
        started(await clusters.members.begin(input)),
      ),
      rotateCertificates: os.clusters.rotateCertificates.handler(({ input }) =>
        started(clusters.rotateCertificates(input)),
      ),
      configure: os.clusters.configure.handler(({ input }) => {
        const { heartbeatMs, electionTimeoutMs } = clusters.configure(input);
        return { heartbeatMs, electionTimeoutMs };
      }),
      access: os.clusters.access.handler(({ input }) => clusters.access(input.clusterId)),
      lookToAdopt: os.clusters.lookToAdopt.handler(({ input }) => clusters.sharing.look(input)),
      adopt: os.clusters.adopt.handler(({ input }) => clusters.sharing.adopt(input)),
      exportKeys: os.clusters.exportKeys.handler(({ input }) => clusters.sharing.exportKeys(input)),
      importKeys: os.clusters.importKeys.handler(({ input }) => clusters.sharing.importKeys(input)),
      series: os.clusters.series.handler(({ input, signal }) => {
        const members = store.listMembers(clusters.get(input.clusterId).clusterId);
        return clusterSeries({
          ...input,
          history,
          nodeIds: members.map((member) => member.nodeId),
          hostIds: [...new Set(members.map((member) => member.hostId))],
          signal,
        });
      }),
    },
    actions: {
      preview: os.actions.preview.handler(({ input }) => parts.actions.preview(input)),
      run: os.actions.run.handler(({ input }) => started(parts.actions.run(input))),
    },
    nodes: {
      log: os.nodes.log.handler(({ input }) => {
        const member = store.getMember(input.nodeId);
        if (member) return parts.agents.call(member.hostId, 'logTail', input);
        throw new FailureError({
          kind: 'notFound',
          message: `There is no node ${input.nodeId}.`,
          nextStep: 'List the nodes again; its cluster may have been destroyed.',
        });
      }),
    },
  };
}

function historyCalls(os: Os, { clusters, operations, store }: RouterParts) {
  return {
    audit: { list: os.audit.list.handler(({ input }) => clusters.audit(input.limit)) },
    operations: {
      get: os.operations.get.handler(({ input }) => operations.get(input.operationId)),
      watch: os.operations.watch.handler(({ input, signal }) => {
        operations.get(input.operationId);
        return operations.watch(input.operationId, signal);
      }),
    },
    events: {
      list: os.events.list.handler(({ input }) => store.listEvents(input)),
      watch: os.events.watch.handler(({ input, signal }) => watchTimeline(store, { ...input, signal })),
    },
  };
}

function backupCalls(os: Os, { backups, clusters }: RouterParts) {
  return {
    take: os.backups.take.handler(async ({ input }) => started(await backups.begin(input))),
    verify: os.backups.verify.handler(({ input }) => readBackup(input.path)),
    restore: os.backups.restore.handler(async ({ input }) => {
      const { operation, clusterId, manifest } = await clusters.restore(input);
      return { operationId: operation.operationId, clusterId, manifest };
    }),
  };
}

function labCalls(os: Os, { lab }: RouterParts) {
  return {
    status: os.lab.status.handler(() => lab.status()),
    tryIt: os.lab.tryIt.handler(({ input }) => started(lab.tryIt(input.nodes))),
    up: os.lab.up.handler(({ input }) => started(lab.up(input.hosts))),
    down: os.lab.down.handler(() => started(lab.down())),
  };
}

function started(operation: Operation): { operationId: string } {
  return { operationId: operation.operationId };
}
