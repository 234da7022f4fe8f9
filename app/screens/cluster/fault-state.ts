import type { FaultView } from '../../../electron/contract/model.ts';

/** Whether a fault may still bite: unknown counts as biting until it is known that it does not. */
export function isHolding(fault: FaultView): boolean {
  return (
    fault.state === 'injecting' || fault.state === 'active' || fault.state === 'healing' || fault.state === 'unknown'
  );
}
