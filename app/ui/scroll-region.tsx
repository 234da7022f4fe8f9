import type { ReactNode, Ref } from 'react';

/** A part of the screen that scrolls by itself: named, and reachable by keyboard, or those without a mouse never see its end. */
export function ScrollRegion({
  label,
  className,
  ref,
  children,
}: {
  label: string;
  className?: string;
  ref?: Ref<HTMLElement>;
  children: ReactNode;
}) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must take the focus (WCAG 2.1.1)
    <section ref={ref} tabIndex={0} aria-label={label} className={className}>
      {children}
    </section>
  );
}
