/** The quality of a slow cable, read by scripts/cable.py. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface DirectionQuality {
  readonly delayMs?: number;
  /** Plus or minus, evenly spread. */
  readonly jitterMs?: number;
  readonly lossRatio?: number;
  readonly duplicateRatio?: number;
  readonly corruptRatio?: number;
  readonly kbitPerSecond?: number;
  /** Jitter may change the order of frames. */
  readonly reorders?: boolean;
  /** Frames beyond are lost; 2000 without. */
  readonly queueFrames?: number;
}

/** `out`: from the host. */
export interface LinkQuality {
  readonly out?: DirectionQuality;
  readonly in?: DirectionQuality;
}

export async function writeLinkQuality(hostFolder: string, quality: LinkQuality): Promise<void> {
  const file = join(hostFolder, 'cable.json');
  await writeFile(`${file}.new`, JSON.stringify(quality));
  await rename(`${file}.new`, file);
}
