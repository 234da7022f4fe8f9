/** The simulator's command line. */
import { parseArgs } from 'node:util';
import { CONTROLS, type ControlName } from './controls.ts';

export interface Arguments {
  /** null: the default of what is asked for. */
  readonly seeds: number | null;
  readonly firstSeed: number;
  readonly minutes: number | null;
  /** Every control is to be found. */
  readonly controls: boolean;
  readonly control: ControlName | null;
  /** Only these of the seed's faults happen. */
  readonly only: readonly number[] | null;
  readonly json: boolean;
  readonly trace: boolean;
}

export const USAGE = `use: --seeds N [--seed FIRST] [--minutes M] [--json]     runs seeds
     --seeds 1 --seed S [--only 0,3,…|none] [--trace]        one seed, with these of its faults, in words
     --control NAME                                     with a known bug
     --controls [--seeds N] [--json]                    finds every known bug
known bugs: ${Object.keys(CONTROLS).join(', ')}
`;

/** The arguments, or what is wrong with them. */
export function parseArguments(argv: readonly string[]): Arguments | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string', default: '1' },
        minutes: { type: 'string' },
        controls: { type: 'boolean', default: false },
        control: { type: 'string' },
        only: { type: 'string' },
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    });
    const seeds = values.seeds === undefined ? null : Number(values.seeds);
    const minutes = values.minutes === undefined ? null : Number(values.minutes);
    const firstSeed = Number(values.seed);
    const only = values.only === undefined ? null : values.only === 'none' ? [] : values.only.split(',').map(Number);
    if (seeds !== null && !(Number.isSafeInteger(seeds) && seeds > 0)) return '--seeds must be a positive integer';
    if (minutes !== null && !(minutes > 0)) return '--minutes must be a positive number';
    if (!Number.isSafeInteger(firstSeed)) return '--seed must be an integer';
    if (only?.some((index) => !Number.isSafeInteger(index))) return '--only takes numbers of faults';
    const control = values.control ?? null;
    if (control !== null && !isControl(control)) return `there is no known bug "${control}"`;
    const { controls, json, trace } = values;
    return { seeds, firstSeed, minutes, controls, control, only, json, trace };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isControl(name: string): name is ControlName {
  return Object.hasOwn(CONTROLS, name);
}
