/**
 * Follows an operator's change of the configuration to its outcome: the core only says, sooner or later, that a configuration is in
 * force or that it refused. One change at a time; what was not seen is `unknown`.
 */
import type { AdminResult } from '../contract/admin.ts';
import type { MemberSlot } from '../contract/ballot.ts';
import type { Configuration, ConfigurationChange } from '../contract/configuration.ts';
import type { CoreEvent, CoreStatus, Input } from '../paxos/interface.ts';

type Outcome = AdminResult<'reconfigure'>;

export interface ReconfiguringSurroundings {
  readonly status: () => Pick<CoreStatus, 'believedLeader'>;
  readonly configuration: () => Configuration;
  readonly submit: (input: Input) => void;
  /** Returns the function that stops listening. */
  readonly onEvent: (listener: (event: CoreEvent) => void) => () => void;
  readonly nameOf: (member: MemberSlot) => string;
}

export class Reconfiguring {
  readonly #around: ReconfiguringSurroundings;
  #isUnderWay = false;

  constructor(around: ReconfiguringSurroundings) {
    this.#around = around;
  }

  async change(change: ConfigurationChange, timeoutMs: number): Promise<Outcome> {
    if (this.#isUnderWay) return this.#outcome('refused', 'another change of the configuration is followed here');
    this.#isUnderWay = true;
    try {
      return await this.#follow(change, timeoutMs);
    } finally {
      this.#isUnderWay = false;
    }
  }

  #follow(change: ConfigurationChange, timeoutMs: number): Promise<Outcome> {
    const { submit, onEvent, configuration } = this.#around;
    const before = configuration().configId;
    return new Promise((resolve) => {
      const finish = (outcome: Outcome['outcome'], reason: string) => {
        clearTimeout(timer);
        stopListening();
        resolve(this.#outcome(outcome, reason));
      };
      const late = `it was not decided within ${timeoutMs} ms and may still be; ask for the configuration before trying again`;
      const timer = setTimeout(() => finish('unknown', late), timeoutMs);
      const stopListening = onEvent((event) => {
        if (event.kind === 'reconfigureRefused' && event.change === change) finish('refused', event.reason);
        if (event.kind !== 'configurationChanged' || event.configuration.configId !== before + 1) return;
        if (isResultOf(change, event.configuration)) finish('changed', `configuration ${before + 1} is in force`);
        else finish('refused', `another change was decided first, as configuration ${before + 1}`);
      });
      submit({ kind: 'reconfigure', change });
    });
  }

  #outcome(outcome: Outcome['outcome'], reason: string): Outcome {
    const { status, configuration } = this.#around;
    return { outcome, reason, believedLeader: status().believedLeader, configuration: configuration() };
  }
}

/** Whether this configuration shows what the change asked for. */
function isResultOf(change: ConfigurationChange, { members, quorumSizes }: Configuration): boolean {
  switch (change.kind) {
    case 'addLearner':
      return members.some(({ nodeId, role }) => nodeId === change.member.nodeId && role === 'learner');
    case 'promote':
      return members.some(({ memberSlot, role }) => memberSlot === change.memberSlot && role === 'voter');
    case 'remove':
      return !members.some(({ memberSlot }) => memberSlot === change.memberSlot);
    case 'setQuorums':
      return JSON.stringify(quorumSizes) === JSON.stringify(change.quorumSizes);
  }
}
