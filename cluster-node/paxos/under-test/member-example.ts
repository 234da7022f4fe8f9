/** Members for tests and the simulator: nothing ever connects to these addresses. */
import type { MemberSlot } from '../../contract/ballot.ts';
import type { MemberAddress } from '../../contract/node-config.ts';

export function exampleMember(memberSlot: MemberSlot): MemberAddress {
  return {
    memberSlot,
    nodeId: `n-${String(memberSlot).padStart(8, '0')}`,
    name: `node-${memberSlot}`,
    address: '127.0.0.1',
    peerPort: 20_000 + memberSlot,
    clientPort: 30_000 + memberSlot,
  };
}
