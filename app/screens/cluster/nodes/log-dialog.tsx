import { RotateCw } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { Failure, NodeView } from '../../../../electron/contract/model.ts';
import { engine } from '../../../live/connection.ts';
import { failureOf } from '../../../live/failure.ts';
import { Button } from '../../../ui/button.tsx';
import { Dialog } from '../../../ui/dialog.tsx';
import { FailureNote } from '../../../ui/failure-note.tsx';
import { TextField } from '../../../ui/field.tsx';
import { ScrollRegion } from '../../../ui/scroll-region.tsx';
import { plural } from '../../../ui/format.ts';
import { LogLines } from './log-lines.tsx';

const LINES = 500;

interface ReadLog {
  readonly nodeId: string;
  /** Which of the operator's requests this answers. */
  readonly asked: number;
  readonly lines: readonly string[];
  readonly failure: Failure | null;
}

/** The end of a node's log as its host keeps it. */
export function LogDialog({ node, onClose }: { node: NodeView | null; onClose: () => void }) {
  const [read, setRead] = useState<ReadLog | null>(null);
  const [filter, setFilter] = useState('');
  const [asked, setAsked] = useState(0);
  const [raw, setRaw] = useState(false);
  const nodeId = node?.nodeId ?? null;
  useEffect(() => {
    if (nodeId === null) return;
    let over = false;
    void readLog(nodeId).then((found) => over || setRead({ nodeId, asked, ...found }));
    return () => {
      over = true;
    };
  }, [nodeId, asked]);
  const current = read !== null && read.nodeId === nodeId ? read : null;
  const shown = current?.lines.filter((line) => line.toLowerCase().includes(filter.toLowerCase())) ?? [];
  return (
    <Dialog
      open={node !== null}
      onClose={onClose}
      size="xl"
      title={`Log of ${node?.name ?? ''}`}
      description={
        current === null || current.asked !== asked ? 'reading…' : `${plural(shown.length, 'line')}, newest last`
      }
    >
      <div className="grid gap-3">
        <div className="flex items-end gap-2">
          <TextField
            label="Only lines with"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
            className="w-72"
          />
          <Button needsEngine onClick={() => setAsked(asked + 1)}>
            <RotateCw aria-hidden className="size-4" /> Read again
          </Button>
          <label className="ml-auto flex h-8 items-center gap-2 text-dim">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              checked={raw}
              onChange={(event) => setRaw(event.target.checked)}
            />
            Raw
          </label>
        </div>
        {current?.failure != null && <FailureNote failure={current.failure} />}
        <ScrollRegion
          label="Log"
          ref={(element) => {
            if (element !== null) element.scrollTop = element.scrollHeight;
          }}
          className="h-[52vh] overflow-auto rounded-lg border border-line bg-bg p-3"
        >
          {raw ? (
            <pre className="font-mono text-xs leading-relaxed whitespace-pre-wrap">{shown.join('\n')}</pre>
          ) : (
            <LogLines lines={shown} />
          )}
        </ScrollRegion>
      </div>
    </Dialog>
  );
}

async function readLog(nodeId: string): Promise<{ lines: readonly string[]; failure: Failure | null }> {
  try {
    return { lines: (await engine().nodes.log({ nodeId, lines: LINES })).lines, failure: null };
  } catch (error) {
    return { lines: [], failure: failureOf(error) };
  }
}
