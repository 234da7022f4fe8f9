/** Waits until a host's agent answers. */
import type { AgentState } from '../../agents/agent-session.ts';
import type { Agents } from '../../agents/agents.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';

const READY_WITHIN_MS = 20_000;
/** The session tries again by itself; one that failed this often will not get better by waiting. */
const HOPELESS_AFTER_LOSSES = 3;

/** Throws FailureError `agentNotReady` with what the agent said last. `agents.attach` must have been called. */
export async function agentReady(
  agents: Agents,
  host: { hostId: string; name: string },
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let losses = 0;
  const see = (state: AgentState | null) => {
    if (state?.kind === 'ready') resolve();
    if (state?.kind === 'lost' && ++losses >= HOPELESS_AFTER_LOSSES) reject(notReady(host.name, state));
  };
  const stop = agents.listen({
    onSample: () => undefined,
    onNodeEvents: () => undefined,
    onState: (hostId, state) => hostId === host.hostId && see(state),
  });
  const timer = setTimeout(() => reject(notReady(host.name, agents.stateOf(host.hostId))), READY_WITHIN_MS);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  see(agents.stateOf(host.hostId));
  try {
    await promise;
  } finally {
    stop();
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function notReady(host: string, state: AgentState | null): FailureError {
  const why = state?.kind === 'lost' ? failureOf(state.reason) : null;
  return new FailureError(
    {
      ...why,
      kind: 'agentNotReady',
      host,
      message: `The agent on ${host} does not answer${why ? `: ${why.message}` : '.'}`,
      nextStep: why?.nextStep ?? 'Check that programs can be run from the home folder there, then run this again.',
    },
    { cause: state?.kind === 'lost' ? state.reason : undefined },
  );
}
