/** Connects to a host by whatever way leads there, in turn with others. */
import { type ConnectOptions, connectOnce } from './connect.ts';
import type { Link, OpenWay } from './link.ts';
import { connectOpenSsh } from './openssh/openssh-connect.ts';
import type { SshTarget } from './target.ts';

export interface DialOptions extends Omit<ConnectOptions, 'stream'> {
  openWay: OpenWay;
  /** Lets this host in among those that connect at the moment; resolves with what lets the next one in. */
  enter: () => Promise<() => void>;
  /** What runs JavaScript where the system's ssh has a question. */
  nodePath: string;
}

/** Throws SshError. */
export async function dial(target: SshTarget, options: DialOptions): Promise<Link> {
  if (target.openSsh !== undefined) {
    // Jump hosts on the way are the client's own business.
    const leave = await options.enter();
    return await connectOpenSsh(target, options).finally(leave);
  }
  // Before it takes one of the places to connect: the jump host needs one itself.
  const stream = target.via === undefined ? undefined : await options.openWay(target, options.signal);
  let leave = (): void => {};
  try {
    leave = await options.enter();
    return await connectOnce(target, { ...options, stream });
  } catch (error) {
    stream?.destroy();
    throw error;
  } finally {
    leave();
  }
}
