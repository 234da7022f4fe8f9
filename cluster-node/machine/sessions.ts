/**
 * Which requests were applied already. A request may stand in several slots, because its origin proposes it again when the
 * leader changes; only the first counts. No result is kept: the origin applies every slot itself and answers at the first.
 *
 * An origin has one session per boot. Boots are random and not ordered, so a late command of an earlier life must not end
 * the present one; the least recently used sessions beyond a bound are forgotten instead.
 */
import type { RequestId } from '../contract/peer.ts';
import type { Envelope } from './command.ts';

interface Session {
  /** All sequences below it are finished. */
  floor: number;
  /** Applied sequences from `floor` on. */
  readonly applied: Set<number>;
}

/** Lives of one origin that are remembered. A command of a life further back cannot be on its way any more. */
const MAX_BOOTS_PER_ORIGIN = 64;

export class Sessions {
  /** By origin, then by boot, least recently used first. */
  readonly #byOrigin = new Map<number, Map<number, Session>>();

  /** True the first time that this request is seen, false from then on. */
  admit({ request, acknowledgedBelow }: Envelope): boolean {
    const session = this.#use(request);
    for (; session.floor < acknowledgedBelow; session.floor++) {
      if (session.applied.size === 0) session.floor = acknowledgedBelow - 1;
      else session.applied.delete(session.floor);
    }
    if (request.sequence < session.floor || session.applied.has(request.sequence)) return false;
    session.applied.add(request.sequence);
    return true;
  }

  #use({ origin, boot }: RequestId): Session {
    let boots = this.#byOrigin.get(origin);
    if (!boots) this.#byOrigin.set(origin, (boots = new Map()));
    const session = boots.get(boot) ?? { floor: 0, applied: new Set<number>() };
    boots.delete(boot);
    boots.set(boot, session);
    if (boots.size > MAX_BOOTS_PER_ORIGIN) {
      const oldest = boots.keys().next();
      if (!oldest.done) boots.delete(oldest.value);
    }
    return session;
  }
}
