/** An action that asks for what is there already is done at once: nothing is run, and that is said. */
import type { Action } from '../../../contract/model.ts';
import type { Picture } from './picture.ts';
import { holdingFaults } from './situation.ts';

/** "node-2 leads already; nothing to do."; null: there is something to do, or it cannot be told. */
export function alreadyThere(picture: Picture, action: Action): string | null {
  const what = alreadyAs(picture, action);
  return what === null ? null : `${what} already; nothing to do.`;
}

function alreadyAs(picture: Picture, action: Action): string | null {
  const memberOf = (nodeId: string) => picture.members.find((one) => one.nodeId === nodeId);
  switch (action.kind) {
    case 'nodeStart': {
      const member = memberOf(action.nodeId);
      // With a reason it runs, but not as it should: without its supervisor, say.
      return member?.service?.state === 'running' && member.service.reason === null ? `${member.name} runs` : null;
    }
    case 'nodeStop': {
      const member = memberOf(action.nodeId);
      return member?.service?.state === 'stopped' ? `${member.name} is stopped` : null;
    }
    case 'failover': {
      const target = memberOf(action.target);
      return target && target.memberSlot === picture.leader?.memberSlot ? `${target.name} leads` : null;
    }
    case 'heal': {
      const fault = picture.situation.faults.find((one) => one.faultId === action.faultId);
      return fault && holdingFaults([fault]).length === 0 ? 'The fault is over' : null;
    }
    default:
      return null;
  }
}
