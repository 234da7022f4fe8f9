/** Whether a node answers on its admin socket, whoever keeps it. */
import { adminCalls } from '../contract/admin.ts';
import type { ServiceState } from '../contract/sample.ts';
import { CallFailedError, callSocket } from '../supervisor/socket-call.ts';

const ADMIN_TIMEOUT_MS = 500;
export const STILL_READING = 'it runs and is still reading its log; it answers when that is done';

export function unknownState(nodeId: string, reason: string): ServiceState {
  return { nodeId, state: 'unknown', pid: null, restarts: 0, reason };
}

/** Whether it answers calls, or what it says that it is doing before it can; null: no answer. */
export async function lookAtAdmin(folder: {
  readonly adminSocket: string;
}): Promise<{ readonly starting: string | null } | null> {
  try {
    // Not `sample`: that would begin a new interval of the node's percentiles.
    const { result } = adminCalls.listFaults;
    const socketPath = folder.adminSocket;
    await callSocket({ socketPath, call: 'listFaults', params: {}, result, timeoutMs: ADMIN_TIMEOUT_MS });
    return { starting: null };
  } catch (error) {
    const isStarting = error instanceof CallFailedError && error.callError.kind === 'starting';
    return isStarting ? { starting: error.message } : null;
  }
}
