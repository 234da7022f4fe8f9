import { Dialog as Base } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from './button.tsx';
import { cn } from './class-names.ts';

const widths = { sm: 'w-[440px]', md: 'w-[600px]', lg: 'w-[860px]', xl: 'w-[1080px]' };

/** A modal dialog: Esc and the cross close it, focus stays inside, `footer` is always in sight. */
export function Dialog(props: {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  description?: ReactNode;
  size?: keyof typeof widths;
  footer?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Base.Root open={props.open} onOpenChange={(open) => !open && props.onClose()}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-shade transition-opacity duration-150 data-[ending-style]:opacity-0 data-[starting-style]:opacity-0" />
        <Base.Popup
          className={cn(
            'fixed top-[8vh] left-1/2 z-50 flex max-h-[84vh] max-w-[calc(100vw-48px)] -translate-x-1/2 flex-col rounded-xl border border-edge/70 bg-panel shadow-2xl shadow-black/40 outline-none transition-[opacity,scale] duration-150 data-[ending-style]:scale-[0.98] data-[ending-style]:opacity-0 data-[starting-style]:scale-[0.98] data-[starting-style]:opacity-0',
            widths[props.size ?? 'md'],
          )}
        >
          <header className="flex items-start gap-3 px-5 pt-4 pb-3">
            <div className="min-w-0 flex-1">
              <Base.Title className="text-lg font-semibold">{props.title}</Base.Title>
              {props.description !== undefined && (
                <Base.Description className="mt-0.5 text-dim" render={<div />}>
                  {props.description}
                </Base.Description>
              )}
            </div>
            <Base.Close
              render={
                <Button look="ghost" size="icon" aria-label="Close">
                  <X aria-hidden className="size-4" />
                </Button>
              }
            />
          </header>
          {/* Keyboard users must be able to scroll what is long. */}
          <div className="min-h-0 flex-1 overflow-y-auto px-5 pb-4" tabIndex={-1}>
            {props.children}
          </div>
          {props.footer !== undefined && (
            <footer className="flex items-center justify-end gap-2 border-t border-line px-5 py-3">
              {props.footer}
            </footer>
          )}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
