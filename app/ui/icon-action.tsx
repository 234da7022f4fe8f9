import { Tooltip } from '@base-ui/react/tooltip';
import type { ReactNode } from 'react';
import { Button } from './button.tsx';

/** A small button that shows a mark; its name is read out, and shown on hover and focus. */
export function IconAction(props: {
  label: string;
  onClick: () => void;
  disabled?: boolean;
  needsEngine?: boolean;
  testId?: string;
  children: ReactNode;
}) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger
        delay={250}
        render={
          <Button
            look="ghost"
            size="icon"
            aria-label={props.label}
            disabled={props.disabled}
            needsEngine={props.needsEngine ?? false}
            data-testid={props.testId}
            onClick={props.onClick}
          >
            {props.children}
          </Button>
        }
      />
      <Tooltip.Portal>
        <Tooltip.Positioner sideOffset={6} className="z-50">
          <Tooltip.Popup className="rounded-md border border-edge bg-panel px-2 py-1 text-xs shadow-lg shadow-black/30">
            {props.label}
          </Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
