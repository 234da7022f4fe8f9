/** etcdserverpb.Cluster, etcdserverpb.Maintenance and grpc.health.v1: who is in the cluster and how this node is. */
import { HealthCheckRequest, HealthCheckResponse, HealthCheckResponse_ServingStatus } from '../contract/etcd/health.ts';
import * as pb from '../contract/etcd/rpc.ts';
import { grpcCode } from '../machine/errors.ts';
import { explain, Headers, unary } from './calls.ts';
import { GrpcError } from './grpc-frame.ts';
import type { UnaryMethod } from './grpc-server.ts';
import { memberIdOf } from './identity.ts';
import type { NodePort } from './port.ts';

export function clusterMethods(port: NodePort, clientScheme: 'http' | 'https'): [string, UnaryMethod][] {
  const headers = new Headers(port);
  const memberList = async (request: pb.MemberListRequest, timeoutMs: number): Promise<pb.MemberListResponse> => {
    if (request.linearizable) await port.readBarrier(timeoutMs).catch(explain);
    return { header: headers.now(), members: port.members.map((member) => etcdMember(member, clientScheme)) };
  };
  return [
    [
      '/etcdserverpb.Cluster/MemberList',
      unary({ request: pb.MemberListRequest, response: pb.MemberListResponse }, (request, { timeoutMs }) =>
        memberList(request, timeoutMs),
      ),
    ],
    [
      '/etcdserverpb.Maintenance/Status',
      unary({ request: pb.StatusRequest, response: pb.StatusResponse }, () => statusOf(port, headers)),
    ],
    [
      '/etcdserverpb.Maintenance/Alarm',
      unary({ request: pb.AlarmRequest, response: pb.AlarmResponse }, ({ action, memberID, alarm }) => {
        if (action !== pb.AlarmRequest_AlarmAction.GET)
          throw new GrpcError(grpcCode.unimplemented, 'alarms are raised and ended by the nodes themselves');
        const isAskedFor = (raised: pb.AlarmMember) =>
          (memberID === 0n || memberID === raised.memberID) && (alarm === pb.AlarmType.NONE || alarm === raised.alarm);
        return { header: headers.now(), alarms: alarmsOf(port).filter(isAskedFor) };
      }),
    ],
    [
      '/grpc.health.v1.Health/Check',
      unary({ request: HealthCheckRequest, response: HealthCheckResponse }, ({ service }) => {
        if (service !== '' && service !== 'etcdserverpb.Health')
          throw new GrpcError(grpcCode.notFound, 'unknown service');
        const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
        return { status: port.status().believedLeader === 0 ? NOT_SERVING : SERVING };
      }),
    ],
  ];
}

function etcdMember(member: NodePort['members'][number], clientScheme: 'http' | 'https'): pb.Member {
  const host = member.address.includes(':') ? `[${member.address}]` : member.address;
  return {
    ID: memberIdOf(member.nodeId),
    name: member.name,
    peerURLs: [`https://${host}:${member.peerPort}`],
    clientURLs: [`${clientScheme}://${host}:${member.clientPort}`],
    isLearner: member.role === 'learner',
  };
}

/** Raised and ended by the nodes themselves, so the same may be asked again. */
function alarmsOf(port: NodePort): pb.AlarmMember[] {
  return port.troubles().flatMap(({ nodeId, noSpace, corrupt }) => {
    const memberID = memberIdOf(nodeId);
    return [
      ...(noSpace ? [{ memberID, alarm: pb.AlarmType.NOSPACE }] : []),
      ...(corrupt ? [{ memberID, alarm: pb.AlarmType.CORRUPT }] : []),
    ];
  });
}

/** etcd's Raft figures in our terms: term = ballot (unique, growing), index = decided slot, applied index = applied slot. */
function statusOf(port: NodePort, headers: Headers): pb.StatusResponse {
  const status = port.status();
  const leader = port.members.find((member) => member.memberSlot === status.believedLeader);
  const bytes = BigInt(status.dataBytes);
  return {
    header: headers.now(),
    version: status.version,
    dbSize: bytes,
    dbSizeInUse: bytes,
    leader: leader ? memberIdOf(leader.nodeId) : 0n,
    raftIndex: BigInt(status.decidedUpTo),
    raftTerm: BigInt(status.leaderBallot),
    raftAppliedIndex: BigInt(status.appliedUpTo),
    errors: leader ? [] : ['etcdserver: no leader'],
    isLearner: port.members.some(({ memberSlot, role }) => memberSlot === port.self.memberSlot && role === 'learner'),
  };
}
