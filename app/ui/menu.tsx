import { Menu as Base } from '@base-ui/react/menu';
import type { ReactElement, ReactNode } from 'react';
import { useEngineReached } from '../live/health.ts';
import { cn } from './class-names.ts';

/** A list of actions that opens from `trigger`; arrow keys move in it. */
export function Menu({ trigger, children }: { trigger: ReactElement; children: ReactNode }) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner sideOffset={6} align="end" className="z-40 outline-none">
          <Base.Popup className="min-w-44 rounded-lg border border-edge bg-panel p-1 shadow-xl shadow-black/30 outline-none">
            {children}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

export function MenuItem(props: {
  onClick: () => void;
  disabled?: boolean;
  needsEngine?: boolean;
  danger?: boolean;
  testId?: string;
  children: ReactNode;
}) {
  const reached = useEngineReached();
  return (
    <Base.Item
      onClick={props.onClick}
      disabled={props.disabled === true || (props.needsEngine === true && !reached)}
      data-testid={props.testId}
      className={cn(
        'flex cursor-default items-center gap-2 rounded-md px-2.5 py-1.5 outline-none select-none data-[disabled]:opacity-45 data-[highlighted]:bg-raise',
        props.danger === true && 'text-bad',
      )}
    >
      {props.children}
    </Base.Item>
  );
}
