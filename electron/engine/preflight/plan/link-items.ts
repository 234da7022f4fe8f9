/** What calls from one host to another mean. */
import type { CheckLink } from '../../../contract/model.ts';
import type { Call, CallState } from '../link-probe.ts';

export interface LinkPlace {
  readonly fromHostId: string;
  readonly toHostId: string;
  readonly port: number;
  /** How the listener at the other end came to stand; `taken`: something else has the port. */
  readonly listener: 'listening' | 'taken' | 'none';
  /** null: the caller said nothing of this target. */
  readonly call: Call | null;
  /** Why there is no call or no listener. */
  readonly why: string | null;
}

const SLOW_MS = 50;

export function linkItem(place: LinkPlace): CheckLink {
  const { fromHostId, toHostId, port } = place;
  return { fromHostId, toHostId, port, roundTripMs: median(place.call?.roundTripMs ?? []), ...judge(place) };
}

type Judgement = Pick<CheckLink, 'verdict' | 'found' | 'nextStep'>;

function judge({ call, listener, port, why }: LinkPlace): Judgement {
  if (call === null) return { verdict: 'unknown', found: why ?? 'not tried', nextStep: null };
  const trip = median(call.roundTripMs);
  if (call.state === 'open' && trip !== null && trip > SLOW_MS)
    return {
      verdict: 'warn',
      found: `open, ${sayMs(trip)}`,
      nextStep: 'Give the cluster timeouts of several round trips, or hosts nearer to each other.',
    };
  if (call.state === 'open') return { verdict: 'pass', found: `open, ${sayMs(trip ?? 0)}`, nextStep: null };
  if (listener !== 'listening') return withoutListener(call.state, why);
  return { verdict: 'fail', ...blocked(call.state, port) };
}

/** Reached or not, by what the other end's own system or another program answered. */
function withoutListener(state: CallState, why: string | null): Judgement {
  if (state === 'other' || state === 'reset')
    return { verdict: 'pass', found: 'reached; another program has the port now', nextStep: null };
  if (state === 'refused')
    return { verdict: 'unknown', found: `refused; nothing could listen there (${why ?? 'unknown'})`, nextStep: null };
  return { verdict: 'fail', ...blocked(state, 0) };
}

function blocked(state: CallState, port: number): Pick<CheckLink, 'found' | 'nextStep'> {
  const open = `Let it through: look for firewalls on both hosts and between them${port === 0 ? '' : ` (port ${port}/tcp)`}.`;
  switch (state) {
    case 'timeout':
      return { found: 'no answer: dropped on the way', nextStep: open };
    case 'refused':
    case 'reset':
      return { found: 'rejected, though this check listens there: by a firewall', nextStep: open };
    case 'other':
      return {
        found: 'something else answers in its place',
        nextStep: 'See whether the address is translated or proxied; nodes must reach each other directly.',
      };
    default:
      return { found: 'no way there', nextStep: 'Check the routes between the two hosts, and their addresses.' };
  }
}

function median(values: readonly number[]): number | null {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
}

function sayMs(milliseconds: number): string {
  return milliseconds < 10 ? `${milliseconds.toFixed(2)} ms` : `${Math.round(milliseconds)} ms`;
}
