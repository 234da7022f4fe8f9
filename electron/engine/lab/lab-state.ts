/** What a lab is on disk: its folder, the file that says what belongs to it, and the marker that makes it ours to remove. */
import { chmod, lstat, mkdir, readdir, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FailureError } from '../operations/failure.ts';

/** In the environment of everything that runs on a lab's hosts, and inherited from there: how it is found again. */
export const LAB_ROOT_VARIABLE = 'SYNOD_LAB_ROOT';
export const LAB_HOST_VARIABLE = 'SYNOD_LAB_HOST';

/** Unix sockets of nodes lie below the root, and their paths have at most 107 bytes. */
export const LONGEST_ROOT_BYTES = 55;

const portSchema = z.number().int().min(1).max(65535);

export const labHostSchema = z.object({
  /** "host-1", "host-2", … */
  name: z.string().regex(/^host-\d+$/),
  /** 127.0.0.11 and up where these can be bound; else 127.0.0.1 with a port of its own. */
  address: z.string(),
  sshPort: portSchema,
  home: z.string(),
  /** "SHA256:…" */
  hostKeyFingerprint: z.string(),
  /** "ssh-ed25519 AAAA…" */
  hostPublicKey: z.string(),
});
export type LabHost = z.infer<typeof labHostSchema>;

export const labStateSchema = z.object({
  /** Absolute, without symbolic links. */
  root: z.string(),
  hosts: z.array(labHostSchema),
  /** The only user; the one who runs the console. */
  user: z.string(),
  clientKeyPath: z.string(),
  knownHostsPath: z.string(),
});
export type LabState = z.infer<typeof labStateSchema>;

/** Where things are below a lab's root. Homes are short: unix sockets in them have at most 107 bytes of path. */
export const labLayout = (root: string) =>
  ({
    marker: join(root, '.synod-lab'),
    state: join(root, 'lab.json'),
    lock: join(root, 'lock'),
    server: join(root, 'server.json'),
    serverLog: join(root, 'server.log'),
    keys: join(root, 'keys'),
    clientKey: join(root, 'keys', 'client'),
    knownHosts: join(root, 'known_hosts'),
    hostKey: (name: string) => join(root, 'keys', name),
    home: (name: string) => join(root, name),
  }) as const;

/** Makes the root, mode 0700, with its marker; returns it without symbolic links. Refuses a folder that is somebody else's. */
export async function makeRoot(root: string): Promise<string> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  await refuseForeign(root);
  await chmod(root, 0o700);
  const real = await realpath(root);
  const { marker } = labLayout(real);
  if (await isLabRoot(real)) return real;
  const others = (await readdir(real)).filter((name) => !name.startsWith('lock'));
  // Looked at again: another labUp may have made it ours between the two looks.
  if (others.length > 0 && !(await isLabRoot(real))) {
    throw new Error(`${real} is not empty and not a lab of Synod: give another folder, or empty this one`);
  }
  await writeFile(marker, 'A lab of Synod: `synod lab down` removes this folder.\n', { mode: 0o600 });
  return real;
}

/** True if the folder carries our marker. */
export async function isLabRoot(root: string): Promise<boolean> {
  return (await readIfPresent(labLayout(root).marker)) !== null;
}

/** In a folder that everybody may write to, another user may have been there first. */
async function refuseForeign(root: string): Promise<void> {
  const found = await lstat(root);
  if (!found.isDirectory())
    throw new Error(`${root} is not a folder itself: a lab is not kept behind a link. Remove it`);
  if (process.getuid && found.uid !== process.getuid())
    throw new Error(`${root} belongs to another user (${found.uid}): it cannot be the folder of your lab. Remove it`);
}

/**
 * null: no lab there, or one that was never finished. Throws FailureError: `labUnreadable` where it is not what we wrote,
 * `labCopied` where it came there with a copy of its folder, since what it names lies, and may run, elsewhere.
 */
export async function readLabState(root: string): Promise<LabState | null> {
  const path = labLayout(root).state;
  const text = await readIfPresent(path);
  if (text === null) return null;
  await refuseForeign(root);
  const state = parseState(path, text);
  const [here, named] = await Promise.all([root, state.root].map((folder) => realpath(folder).catch(() => null)));
  if (here === named) return state;
  throw new FailureError({
    kind: 'labCopied',
    message: `${root} is a copy of the lab at ${state.root}, whose hosts run there. Nothing was changed.`,
    nextStep: `Remove the folder ${root}; a lab of its own can then be made in its place.`,
  });
}

function parseState(path: string, text: string): LabState {
  try {
    return labStateSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new FailureError(
      {
        kind: 'labUnreadable',
        message: `${path}, which says what belongs to the lab, cannot be read: it is damaged. Nothing was changed.`,
        nextStep: 'Take the lab down (`synod lab down`), which does not need that file, and bring it up again.',
      },
      { cause: error },
    );
  }
}

/** Replaces a JSON file in one step. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await replaceFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Replaces a file in one step, mode 0600: whoever reads it finds the old or the new one, whole. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const part = `${path}.part`;
  await writeFile(part, text, { mode: 0o600, flush: true });
  await rename(part, path);
}

/** null: there is no such file. */
export async function readIfPresent(path: string): Promise<string | null> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
}
