/** What the calls of the admin socket do. Every parameter has been parsed by then. */
import { AdminCallError, type AdminHandlers } from '../api/admin.ts';
import type { LinkFilter } from '../peer/link-filter.ts';
import type { NodeSample } from '../contract/sample.ts';

import type { Handover } from './handover.ts';
import type { Journal } from './journal.ts';
import type { Membership } from './membership.ts';
import type { Reconfiguring } from './reconfiguring.ts';

export interface AdminSurroundings {
  readonly clusterName: string;
  readonly boot: number;
  readonly journal: Journal;
  readonly filter: LinkFilter;
  readonly handover: Handover;
  readonly membership: Membership;
  readonly reconfiguring: Reconfiguring;
  readonly sample: () => NodeSample;
}

export function adminHandlers(around: AdminSurroundings): AdminHandlers {
  const { boot, journal, filter, handover, membership, reconfiguring } = around;
  return {
    sample: () => around.sample(),
    events: (asked) => ({ boot, events: journal.after(asked.boot === boot ? asked.afterSequence : 0) }),
    transferLeadership: ({ target, timeoutMs }) => {
      const member = membership.members.find(({ memberSlot }) => memberSlot === target);
      if (member === undefined) {
        const message = `there is no member ${target} in ${around.clusterName}`;
        throw new AdminCallError({ kind: 'notFound', message });
      }
      return handover.to(target, timeoutMs);
    },
    configuration: () => ({ configuration: membership.configuration }),
    reconfigure: ({ change, timeoutMs }) => reconfiguring.change(change, timeoutMs),
    injectFault: (lease) => {
      const active = filter.inject(lease);
      const name = (member: number) => membership.nameOf(member);
      const links = lease.fault.links.map(({ from, to }) => `${name(from)}→${name(to)}`).join(' ');
      const text = `fault ${lease.faultId} for ${lease.ttlMs} ms: messages vanish on ${links}`;
      journal.record({ kind: 'faultInjected', text });
      return active;
    },
    healFault: ({ faultId }) => ({ healed: filter.heal(faultId) }),
    listFaults: () => ({ faults: filter.list() }),
  };
}
