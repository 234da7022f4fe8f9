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
  readonly boot: number;
  /** All sequences below it are finished. */
  floor: number;
  /** Applied sequences from `floor` on. */
  readonly applied: Set<number>;
}

interface Origin {
  latest: Session;
  /** By boot, least recently used first. */
  readonly sessions: Map<number, Session>;
}

/** A session at one moment. */
export interface SessionState {
  readonly origin: number;
  readonly boot: number;
  readonly floor: number;
  /** In no order. */
  readonly applied: Float64Array;
}

/** Lives of one origin that are remembered. A command of a life further back cannot be on its way any more. */
export const MAX_BOOTS_PER_ORIGIN = 64;

export class Sessions {
  readonly #byOrigin = new Map<number, Origin>();

  /** True the first time that this request is seen, false from then on. */
  admit({ request, acknowledgedBelow }: Envelope): boolean {
    const session = this.#use(request);
    if (acknowledgedBelow > session.floor) finishBelow(session, acknowledgedBelow);
    if (request.sequence < session.floor || session.applied.has(request.sequence)) return false;
    session.applied.add(request.sequence);
    return true;
  }

  /** Copies all sessions: origins ascending, then the least recently used first. */
  states(): SessionState[] {
    const origins = [...this.#byOrigin].sort(([left], [right]) => left - right);
    return origins.flatMap(([origin, { sessions }]) =>
      Array.from(sessions.values(), ({ boot, floor, applied }) => ({
        origin,
        boot,
        floor,
        applied: Float64Array.from(applied),
      })),
    );
  }

  /** In the order of `states`. */
  restore({ origin, boot, floor, applied }: SessionState): void {
    const session = this.#use({ origin, boot });
    session.floor = floor;
    for (const sequence of applied) session.applied.add(sequence);
  }

  #use({ origin, boot }: Pick<RequestId, 'origin' | 'boot'>): Session {
    const known = this.#byOrigin.get(origin);
    if (known?.latest.boot === boot) return known.latest;
    const session = known?.sessions.get(boot) ?? { boot, floor: 0, applied: new Set<number>() };
    if (!known) {
      this.#byOrigin.set(origin, { latest: session, sessions: new Map([[boot, session]]) });
      return session;
    }
    const { sessions } = known;
    known.latest = session;
    sessions.delete(boot);
    sessions.set(boot, session);
    if (sessions.size > MAX_BOOTS_PER_ORIGIN) {
      const oldest = sessions.keys().next();
      if (!oldest.done) sessions.delete(oldest.value);
    }
    return session;
  }
}

/** Costs no more than the sequences that are there, however far the floor moves. */
function finishBelow(session: Session, floor: number): void {
  const { applied } = session;
  if (floor - session.floor <= applied.size)
    for (let sequence = session.floor; sequence < floor; sequence++) applied.delete(sequence);
  else for (const sequence of applied) if (sequence < floor) applied.delete(sequence);
  session.floor = floor;
}
