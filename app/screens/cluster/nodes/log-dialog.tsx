import { RotateCw } from 'lucide-react';
import { useCallback, useEffect, useState } from 'react';
import type { Failure, NodeView } from '../../../../electron/contract/model.ts';
import { engine } from '../../../live/connection.ts';
import { failureOf } from '../../../live/failure.ts';
import { Button } from '../../../ui/button.tsx';
import { Dialog } from '../../../ui/dialog.tsx';
import { FailureNote } from '../../../ui/failure-note.tsx';
import { TextField } from '../../../ui/field.tsx';
import { plural } from '../../../ui/format.ts';

const LINES = 500;

/** The end of a node's log as its host keeps it. */
export function LogDialog({ node, onClose }: { node: NodeView | null; onClose: () => void }) {
  const [lines, setLines] = useState<readonly string[] | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [filter, setFilter] = useState('');
  const nodeId = node?.nodeId ?? null;
  const read = useCallback(async () => {
    if (nodeId === null) return;
    setFailure(null);
    try {
      setLines((await engine().nodes.log({ nodeId, lines: LINES })).lines);
    } catch (error) {
      setFailure(failureOf(error));
    }
  }, [nodeId]);
  useEffect(() => {
    setLines(null);
    void read();
  }, [read]);
  const shown = lines?.filter((line) => line.toLowerCase().includes(filter.toLowerCase())) ?? [];
  return (
    <Dialog
      open={node !== null}
      onClose={onClose}
      size="xl"
      title={`Log of ${node?.name ?? ''}`}
      description={lines === null ? 'reading…' : `${plural(shown.length, 'line')}, newest last`}
    >
      <div className="grid gap-3">
        <div className="flex items-end gap-2">
          <TextField
            label="Only lines with"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
            className="w-72"
          />
          <Button onClick={() => void read()}>
            <RotateCw aria-hidden className="size-4" /> Read again
          </Button>
        </div>
        {failure !== null && <FailureNote failure={failure} />}
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: long output must scroll by keyboard
          tabIndex={0}
          aria-label="Log"
          ref={(element) => {
            if (element !== null) element.scrollTop = element.scrollHeight;
          }}
          className="h-[52vh] overflow-auto rounded-lg border border-line bg-bg p-3 font-mono text-xs leading-relaxed whitespace-pre-wrap"
        >
          {shown.join('\n')}
        </pre>
      </div>
    </Dialog>
  );
}
