import type { LogSizes } from './log/position.ts';

/** Of a real node's log. */
export const productSizes: LogSizes = { segmentBytes: 16 * 1024 * 1024, batchBytes: 512 * 1024 };
