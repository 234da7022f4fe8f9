/** What state a node, host or cluster is in, always as shape, word and colour together. */
import {
  CircleCheck,
  CircleDashed,
  CircleDotDashed,
  CircleHelp,
  CircleX,
  Crown,
  Loader,
  OctagonAlert,
  Scissors,
  Square,
  TriangleAlert,
} from 'lucide-react';
import type { ClusterView, HostView, NodeView } from '../../electron/contract/model.ts';
import { cn } from './class-names.ts';

type Look = { icon: typeof Crown; word: string; tone: string };

const nodeLooks: Record<NodeView['condition'], Look> = {
  leader: { icon: Crown, word: 'leader', tone: 'text-accent' },
  follower: { icon: CircleCheck, word: 'follower', tone: 'text-ok' },
  candidate: { icon: CircleDotDashed, word: 'candidate', tone: 'text-warn' },
  minority: { icon: Scissors, word: 'minority', tone: 'text-fault' },
  stopped: { icon: Square, word: 'stopped', tone: 'text-dim' },
  failed: { icon: CircleX, word: 'failed', tone: 'text-bad' },
  starting: { icon: Loader, word: 'starting', tone: 'text-warn' },
  unknown: { icon: CircleHelp, word: 'unknown', tone: 'text-unknown' },
};

const hostLooks: Record<HostView['reachability']['state'], Look> = {
  unknown: { icon: CircleHelp, word: 'unknown', tone: 'text-unknown' },
  connecting: { icon: Loader, word: 'connecting', tone: 'text-warn' },
  reachable: { icon: CircleCheck, word: 'reachable', tone: 'text-ok' },
  unreachable: { icon: CircleX, word: 'unreachable', tone: 'text-bad' },
  hostKeyUnknown: { icon: CircleDashed, word: 'host key to confirm', tone: 'text-warn' },
  hostKeyChanged: { icon: OctagonAlert, word: 'host key changed', tone: 'text-bad' },
  authFailed: { icon: TriangleAlert, word: 'login refused', tone: 'text-warn' },
};

const healthLooks: Record<ClusterView['health']['level'], Look> = {
  ok: { icon: CircleCheck, word: 'healthy', tone: 'text-ok' },
  warn: { icon: TriangleAlert, word: 'impaired', tone: 'text-warn' },
  bad: { icon: OctagonAlert, word: 'down', tone: 'text-bad' },
  unknown: { icon: CircleHelp, word: 'unknown', tone: 'text-unknown' },
};

function Mark({
  look,
  className,
  testId,
}: {
  look: Look;
  className?: string | undefined;
  testId?: string | undefined;
}) {
  const Icon = look.icon;
  return (
    <span
      className={cn('inline-flex items-center gap-1.5 align-middle whitespace-nowrap', look.tone, className)}
      data-testid={testId}
    >
      <Icon aria-hidden className="size-3.5 shrink-0" strokeWidth={2.2} />
      {look.word}
    </span>
  );
}

export function NodeCondition(props: { condition: NodeView['condition']; className?: string; testId?: string }) {
  return <Mark look={nodeLooks[props.condition]} className={props.className} testId={props.testId} />;
}

export function HostReachability(props: { state: HostView['reachability']['state']; className?: string }) {
  return <Mark look={hostLooks[props.state]} className={props.className} />;
}

/** The mark alone; its word is read out. */
export function HealthIcon(props: { level: ClusterView['health']['level']; className?: string }) {
  const look = healthLooks[props.level];
  const Icon = look.icon;
  return (
    <>
      <Icon aria-hidden className={cn('size-4 shrink-0', look.tone, props.className)} strokeWidth={2.2} />
      <span className="sr-only">{look.word}: </span>
    </>
  );
}
