/** The consequence of an action as the engine computes it: asked when it changes, and again every two seconds. */
import { useEffect, useState } from 'react';
import type { Action, Consequence, Failure } from '../../electron/contract/model.ts';
import { engine } from '../live/connection.ts';
import { failureOf } from '../live/failure.ts';

const AGAIN_MS = 2_000;

export interface Preview {
  readonly consequence: Consequence | null;
  readonly failure: Failure | null;
}

const nothing: Preview = { consequence: null, failure: null };

/** `action` null: nothing to preview. `delayMs` waits for the operator to stop drawing. */
export function usePreview(action: Action | null, delayMs = 0): Preview {
  const [preview, setPreview] = useState(nothing);
  const key = action === null ? '' : JSON.stringify(action);
  useEffect(() => {
    if (key === '') {
      setPreview(nothing);
      return;
    }
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async () => {
      const next = await engine()
        .actions.preview(JSON.parse(key) as Action)
        .then(
          (consequence): Preview => ({ consequence, failure: null }),
          (error: unknown): Preview => ({ consequence: null, failure: failureOf(error) }),
        );
      if (over) return;
      setPreview(next);
      timer = setTimeout(safely, AGAIN_MS);
    };
    const safely = () =>
      void look().catch((error: unknown) => !over && setPreview({ consequence: null, failure: failureOf(error) }));
    timer = setTimeout(safely, delayMs);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key, delayMs]);
  return preview;
}
