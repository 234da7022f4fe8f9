/** The small files of a node, as text. The same member of the same cluster always gets the same files. */
import { hostLayout, nodeLayout } from '../../../../cluster-node/contract/host-layout.ts';
import {
  type MemberAddress,
  type NodeConfig,
  nodeConfigSchema,
} from '../../../../cluster-node/contract/node-config.ts';

export interface NodeFile {
  /** Relative to the login's home. */
  readonly path: string;
  readonly content: string;
}

export interface NodeFilesInput {
  readonly cluster: {
    readonly clusterId: string;
    readonly name: string;
    readonly runtimeVersion: string;
    readonly releaseVersion: string;
    readonly heartbeatMs: number;
    readonly electionTimeoutMs: number;
  };
  readonly member: MemberAddress;
  readonly members: readonly MemberAddress[];
  /** Absolute path of the login's home. */
  readonly home: string;
  readonly keys: {
    readonly authority: string;
    readonly peer: { readonly certificate: string; readonly key: string };
    readonly client: { readonly certificate: string; readonly key: string };
  };
}

export function nodeConfigOf(input: Pick<NodeFilesInput, 'cluster' | 'member' | 'members'>): NodeConfig {
  return nodeConfigSchema.parse({
    formatVersion: 1,
    clusterId: input.cluster.clusterId,
    clusterName: input.cluster.name,
    nodeId: input.member.nodeId,
    members: input.members,
    dataDir: nodeLayout.dataDir,
    adminSocket: nodeLayout.adminSocket,
    tls: {
      ca: `${nodeLayout.tlsDir}/ca.pem`,
      peerCert: `${nodeLayout.tlsDir}/peer.pem`,
      peerKey: `${nodeLayout.tlsDir}/peer.key`,
      client: {
        ca: `${nodeLayout.tlsDir}/ca.pem`,
        cert: `${nodeLayout.tlsDir}/client.pem`,
        key: `${nodeLayout.tlsDir}/client.key`,
      },
    },
    heartbeatMs: input.cluster.heartbeatMs,
    electionTimeoutMs: input.cluster.electionTimeoutMs,
  });
}

/** Certificates first and `config.json` last: a folder with a configuration is complete. */
export function nodeFiles(input: NodeFilesInput): { certificates: NodeFile[]; configuration: NodeFile[] } {
  const dir = hostLayout.nodeDir(input.member.nodeId);
  const tls = `${dir}/${nodeLayout.tlsDir}`;
  const launch = {
    runtime: `${input.home}/${hostLayout.runtime(input.cluster.runtimeVersion)}`,
    release: `${input.home}/${hostLayout.release(input.cluster.releaseVersion)}`,
  };
  return {
    certificates: [
      { path: `${tls}/ca.pem`, content: input.keys.authority },
      { path: `${tls}/peer.pem`, content: input.keys.peer.certificate },
      { path: `${tls}/peer.key`, content: input.keys.peer.key },
      { path: `${tls}/client.pem`, content: input.keys.client.certificate },
      { path: `${tls}/client.key`, content: input.keys.client.key },
    ],
    configuration: [
      { path: `${dir}/${nodeLayout.launch}`, content: json(launch) },
      { path: `${dir}/${nodeLayout.config}`, content: json(nodeConfigOf(input)) },
    ],
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
