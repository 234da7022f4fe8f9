/** The service of a node by what keeps it. */
import type { ServiceState } from '../contract/sample.ts';
import { unknownState } from './answering.ts';
import type { FoundFolder, NodeFolder } from './node-folders.ts';
import type { NodeService } from './node-service.ts';
import { supervisedService } from './supervised-service.ts';
import { systemdService } from './systemd-service.ts';

export function serviceOf(folder: NodeFolder): NodeService {
  return folder.keeper === 'systemd' ? systemdService(folder) : supervisedService(folder);
}

/** A folder that cannot be used is shown as `unknown` with the reason rather than left out. */
export async function stateOfFound({ nodeId, ...found }: FoundFolder): Promise<ServiceState> {
  return found.folder ? serviceOf(found.folder).state() : unknownState(nodeId, found.why);
}
