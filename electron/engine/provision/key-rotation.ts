/**
 * Where the replacement of a cluster's certificates stands: `rotation.json` in its keys' folder, and the new pairs in `next/` until all
 * nodes run on them. Each phase agrees with the one before it and the one after it, so that nodes may stand in two neighbouring ones
 * and everything works:
 *
 *   phase       nodes trust   nodes show   clients' ca.pem   clients' certificate
 *   trustBoth   old and new   old          old and new       old                    only with a new authority
 *   handOut     (as before)   old          (as before)       new                    only with a new authority; no host is changed
 *   renew       (as before)   new          (as before)       new
 *   forgetOld   new           new          old and new       new                    only with a new authority
 *   settle      new           new          new               new                    the pairs leave `next/`
 *
 * The phase is written down before a host or a client's file is changed, and left when every node was seen to run in it.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createAuthority, firstCertificate, issue, operatorLeaf } from './certificates.ts';
import { loadPair, movePairs, readText, savePair, syncFolder, writeDurably } from './key-files.ts';

export const rotationPhaseSchema = z.enum(['trustBoth', 'handOut', 'renew', 'forgetOld', 'settle']);
export type RotationPhase = z.infer<typeof rotationPhaseSchema>;

const rotationSchema = z.object({
  formatVersion: z.literal(1),
  /** The authority is replaced, too. */
  authority: z.boolean(),
  phase: rotationPhaseSchema,
  startedAtUnixMs: z.number(),
});
export type Rotation = z.infer<typeof rotationSchema>;

const OPERATOR = 'operator';
const AUTHORITY = 'ca';

export class KeyRotation {
  readonly #dir: string;
  readonly #clusterId: string;
  readonly #clock: () => number;

  constructor(options: { dir: string; clusterId: string; clock: () => number }) {
    this.#dir = options.dir;
    this.#clusterId = options.clusterId;
    this.#clock = options.clock;
  }

  /** Where new pairs are until all nodes have them. */
  get nextDir(): string {
    return join(this.#dir, 'next');
  }

  get #statePath(): string {
    return join(this.#dir, 'rotation.json');
  }

  /** null: none is under way. */
  async current(): Promise<Rotation | null> {
    const text = await readText(this.#statePath);
    return text === null ? null : rotationSchema.parse(JSON.parse(text));
  }

  /** Makes what clients and the new authority need, and enters the first phase. None may be under way. */
  async begin({ authority }: { authority: boolean }): Promise<Rotation> {
    await rm(this.nextDir, { recursive: true, force: true });
    const old = await loadPair([this.#dir], AUTHORITY);
    if (old === null) throw new Error(`${this.#dir} has no authority`);
    const signing = authority
      ? await savePair(this.nextDir, AUTHORITY, await createAuthority(this.#clusterId, this.#clock()))
      : old;
    await savePair(this.nextDir, OPERATOR, await issue(signing, operatorLeaf(), this.#clock()));
    await syncFolder(this.#dir);
    const phase = authority ? 'trustBoth' : 'renew';
    return this.#enter({ formatVersion: 1, authority, phase, startedAtUnixMs: this.#clock() });
  }

  /** Into the next phase: every node was seen to run in this one. */
  advance(rotation: Rotation): Promise<Rotation> {
    const phases: readonly RotationPhase[] = rotation.authority ? rotationPhaseSchema.options : ['renew', 'settle'];
    const phase = phases[phases.indexOf(rotation.phase) + 1];
    if (phase === undefined) throw new RangeError(`nothing follows ${rotation.phase}`);
    return this.#enter({ ...rotation, phase });
  }

  async #enter(rotation: Rotation): Promise<Rotation> {
    await writeDurably(this.#statePath, `${JSON.stringify(rotation, null, 2)}\n`);
    return rotation;
  }

  /** The files of clients as the phase wants them. May be repeated. */
  async share({ authority, phase }: Rotation): Promise<void> {
    if (authority && phase !== 'settle') {
      const [old, next] = await Promise.all([this.#authorityIn(this.#dir), this.#authorityIn(this.nextDir)]);
      await writeDurably(join(this.#dir, `${AUTHORITY}.pem`), `${old}${next}`);
    }
    if (phase !== 'trustBoth' && phase !== 'settle')
      await movePairs(this.nextDir, this.#dir, (name) => name === OPERATOR);
  }

  async #authorityIn(folder: string): Promise<string> {
    const text = await readText(join(folder, `${AUTHORITY}.pem`));
    if (text === null) throw new Error(`${folder} has no authority`);
    return firstCertificate(text);
  }

  /** The new pairs take the places of the old ones, which are gone then: the end of the last phase. */
  async settle(): Promise<void> {
    await movePairs(this.nextDir, this.#dir, () => true);
    await rm(this.#statePath, { force: true });
    await rm(this.nextDir, { recursive: true, force: true });
    await syncFolder(this.#dir);
  }
}
