/** What may be asked of a node's service, whatever keeps the node. */
import type { ServiceState } from '../contract/sample.ts';

export interface NodeService {
  /** Never throws: what cannot be found out is `unknown` with the reason. */
  state(): Promise<ServiceState>;
  /**
   * Starts what is not running and waits until the node answers. One that has lived and worked for all of that time without
   * answering is `running` with a reason. Throws CallFailedError with the reason and the last log lines.
   */
  start(): Promise<ServiceState>;
  /** Ends the node if it runs; for the rest as `start`. */
  restart(): Promise<ServiceState>;
  /** Done when the node is gone. */
  stop(): Promise<ServiceState>;
  /** SIGKILL to the node's process, which is then started again. */
  kill(): Promise<{ killedPid: number }>;
  /** The last lines of the node's log, at most `lines`, oldest first. */
  tailLog(lines: number): Promise<string[]>;
}
