import { Check, CircleHelp, TriangleAlert, X } from 'lucide-react';
import type { CheckItem } from '../../../electron/contract/model.ts';
import { cn } from '../../ui/class-names.ts';
import { CheckFixView } from './check-fix.tsx';

export const verdictLooks = {
  pass: { icon: Check, tone: 'text-ok' },
  warn: { icon: TriangleAlert, tone: 'text-warn' },
  fail: { icon: X, tone: 'text-bad' },
  unknown: { icon: CircleHelp, tone: 'text-unknown' },
} as const;

/** What a check of a host found, one line each, with what to do where something is wrong. `onFixed`: look again. */
export function CheckList(props: { hostId: string; items: readonly CheckItem[]; onFixed: () => void }) {
  return (
    <ul className="overflow-hidden rounded-lg border border-line" aria-label="Check">
      {props.items.map((item) => {
        const { icon: Icon, tone } = verdictLooks[item.verdict];
        return (
          <li key={item.check} className="grid grid-cols-[18px_130px_1fr] gap-2 px-3 py-1.5 not-first:border-t">
            <span>
              <Icon aria-hidden className={cn('mt-0.5 size-4', tone)} />
              <span className="sr-only">{item.verdict}: </span>
            </span>
            <span className="font-medium">{item.check}</span>
            <span className="min-w-0 text-dim">
              <span className="break-words">{item.found}</span>
              {item.nextStep !== null && <span className="block text-text">{item.nextStep}</span>}
              {item.fix !== null && (
                <CheckFixView hostId={props.hostId} check={item.check} fix={item.fix} onFixed={props.onFixed} />
              )}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
