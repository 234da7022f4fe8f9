import { CircleAlert, Diamond, Dot, Hand, OctagonAlert, Scissors } from 'lucide-react';
import type { NodeView, TimelineEvent } from '../../../../electron/contract/model.ts';
import { useEvents } from '../../../live/events.ts';
import { Card } from '../../../ui/card.tsx';
import { cn } from '../../../ui/class-names.ts';
import { ScrollRegion } from '../../../ui/scroll-region.tsx';
import { formatClock } from '../../../ui/format.ts';

const looks = {
  info: { icon: Dot, tone: 'text-faint' },
  leader: { icon: Diamond, tone: 'text-accent' },
  action: { icon: Hand, tone: 'text-dim' },
  fault: { icon: Scissors, tone: 'text-fault' },
  warn: { icon: CircleAlert, tone: 'text-warn' },
  bad: { icon: OctagonAlert, tone: 'text-bad' },
} as const;

export function Events(props: { clusterId: string; nodes: readonly NodeView[]; tall?: boolean }) {
  const events = useEvents(props.clusterId, 60);
  return (
    <Card title="Events" aside="newest first" testId="events" className={cn(props.tall === true && 'h-full')}>
      {events.length === 0 ? (
        <p className="text-dim">Nothing happened yet.</p>
      ) : (
        <ScrollRegion
          label="List of events"
          className={cn('overflow-y-auto', props.tall === true ? 'max-h-[380px]' : 'max-h-72')}
        >
          <ol>
            {events.map((event) => (
              <EventLine key={event.eventId} event={event} />
            ))}
          </ol>
        </ScrollRegion>
      )}
    </Card>
  );
}

function EventLine({ event }: { event: TimelineEvent }) {
  const { icon: Icon, tone } = looks[event.level];
  return (
    <li className="grid grid-cols-[92px_18px_1fr] items-baseline gap-x-1 py-[3px] text-dim">
      <time className="font-mono text-xs" dateTime={new Date(event.atUnixMs).toISOString()}>
        {formatClock(event.atUnixMs, true)}
      </time>
      <span>
        <Icon aria-hidden className={cn('mt-0.5 size-3.5', tone)} />
        <span className="sr-only">{event.level}: </span>
      </span>
      <span>
        <b className="font-medium text-text">{event.subject}</b> {event.text}
      </span>
    </li>
  );
}
