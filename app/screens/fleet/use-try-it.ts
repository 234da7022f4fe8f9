import { useState } from 'react';
import type { Failure } from '../../../electron/contract/model.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';

/** Asks for hosts on this computer and a cluster on them; what was made before is kept and gone on with. */
export function useTryIt(): { tryIt: (nodes: number) => void; asked: boolean; failure: Failure | null } {
  const [asked, setAsked] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = async (nodes: number) => {
    setAsked(true);
    setFailure(null);
    try {
      await engine().lab.tryIt({ nodes });
    } catch (error) {
      setFailure(failureOf(error));
    }
    setAsked(false);
  };
  return { tryIt: (nodes) => void run(nodes), asked, failure };
}
