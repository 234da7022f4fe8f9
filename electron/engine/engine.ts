/**
 * The engine: the control plane of Synod, plain Node. It owns one state folder, keeps the desired fleet there, talks to the
 * hosts over SSH, and answers the contract's calls. Shells (desktop, serve, CLI) create one and hand its router to their
 * transport. Closing it leaves every node running.
 */
import type { Logger } from 'pino';
import type { EngineResources } from './resources.ts';
import type { EngineRouter } from './router.ts';
import type { SecretStore } from './secrets.ts';

export type { EngineResources };

export interface EngineOptions {
  /** Created with mode 0700. One engine per folder. */
  readonly stateDir: string;
  readonly resources: EngineResources;
  readonly log: Logger;
  /** Milliseconds since 1970; default Date.now. */
  readonly clock?: () => number;
  /** Where passwords and passphrases are kept; default: in memory. */
  readonly secrets?: SecretStore;
}

export interface Engine {
  /** The contract, implemented; hand it to an oRPC handler. */
  readonly router: EngineRouter;
  /** Ends connections and running operations. Nodes go on. */
  close(): Promise<void>;
}

export async function createEngine(_options: EngineOptions): Promise<Engine> {
  throw new Error('the engine is not wired yet');
}
