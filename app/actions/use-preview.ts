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
  const [found, setFound] = useState({ key: '', preview: nothing });
  const key = action === null ? '' : JSON.stringify(action);
  useEffect(() => {
    if (key === '') return;
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async () => {
      const preview = await askEngine(JSON.parse(key) as Action);
      if (over) return;
      setFound({ key, preview });
      timer = setTimeout(look, AGAIN_MS);
    };
    timer = setTimeout(look, delayMs);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key, delayMs]);
  return found.key === key ? found.preview : nothing;
}

async function askEngine(action: Action): Promise<Preview> {
  try {
    return { consequence: await engine().actions.preview(action), failure: null };
  } catch (error) {
    return { consequence: null, failure: failureOf(error) };
  }
}
