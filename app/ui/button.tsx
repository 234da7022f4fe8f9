import { cva, type VariantProps } from 'class-variance-authority';
import type { ComponentProps } from 'react';
import { useEngineReached } from '../live/health.ts';
import { cn } from './class-names.ts';

const looks = cva(
  'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap transition-colors select-none disabled:cursor-not-allowed disabled:opacity-45',
  {
    variants: {
      look: {
        plain: 'border-line bg-panel text-text hover:not-disabled:border-edge hover:not-disabled:bg-raise',
        primary: 'border-accent bg-accent text-onaccent hover:not-disabled:brightness-110',
        danger: 'border-bad bg-panel text-bad hover:not-disabled:bg-badwash',
        dangerSolid: 'border-bad bg-bad text-onaccent hover:not-disabled:brightness-110',
        faultSolid: 'border-fault bg-fault text-onaccent hover:not-disabled:brightness-110',
        fault: 'border-fault bg-panel text-fault hover:not-disabled:bg-faultwash',
        ghost: 'border-transparent bg-transparent text-dim hover:not-disabled:bg-raise hover:not-disabled:text-text',
      },
      size: { md: 'h-8 px-3 text-sm', sm: 'h-7 px-2 text-xs', icon: 'size-7 p-0', lg: 'h-10 px-4 text-base' },
    },
    defaultVariants: { look: 'plain', size: 'md' },
  },
);

/** `needsEngine`: it cannot be pressed while there is no engine to ask. */
export function Button({
  look,
  size,
  className,
  type = 'button',
  needsEngine = false,
  disabled,
  ...rest
}: ComponentProps<'button'> & VariantProps<typeof looks> & { needsEngine?: boolean }) {
  const reached = useEngineReached();
  const cut = needsEngine && !reached;
  return (
    <button
      type={type}
      className={cn(looks({ look, size }), className)}
      disabled={disabled === true || cut}
      {...(cut && { title: 'The engine is not reached.' })}
      {...rest}
    />
  );
}
