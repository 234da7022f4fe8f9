/**
 * Answers that the operator wants kept, in the keyring of the desktop (freedesktop.org Secret Service: GNOME Keyring, KWallet, KeePassXC), by
 * libsecret's own tool. A secret goes there over stdin and comes back over stdout, never as an argument. Only what was answered with
 * "keep it" goes there; what is given for one run stays in memory.
 */
import { spawn } from 'node:child_process';
import { memorySecretStore, type SecretStore } from './secrets.ts';

const TOOL = 'secret-tool';
/** A keyring that is locked asks the person to unlock it. */
const TIMEOUT_MS = 60_000;
const PROBE_TIMEOUT_MS = 3000;

/** In the keyring where there is one that can be reached, else in memory. */
export async function keyringOrMemory(): Promise<SecretStore> {
  const memory = memorySecretStore();
  if (!(await hasKeyring())) return memory;
  const isKept = (key: string) => /^(passphrase|password):/.test(key);
  return {
    persistent: true,
    get: (key) => (isKept(key) ? lookUp(key) : memory.get(key)),
    set: (key, secret) => (isKept(key) ? store(key, secret) : memory.set(key, secret)),
    delete: (key) => (isKept(key) ? clear(key) : memory.delete(key)),
  };
}

async function hasKeyring(): Promise<boolean> {
  if (process.platform !== 'linux' || !process.env['DBUS_SESSION_BUS_ADDRESS']) return false;
  try {
    // It finds nothing, and says nothing where there is a keyring.
    const { stderr } = await run(['lookup', ...attributes('probe:')], { timeoutMs: PROBE_TIMEOUT_MS });
    return stderr === '';
  } catch {
    return false;
  }
}

function attributes(key: string): string[] {
  return ['application', 'synod', 'secret', key];
}

/** null: it is not there, or the keyring stays locked. */
async function lookUp(key: string): Promise<string | null> {
  const { code, stdout } = await run(['lookup', ...attributes(key)]);
  return code === 0 && stdout !== '' ? stdout : null;
}

async function store(key: string, secret: string): Promise<void> {
  const { code, stderr } = await run(['store', `--label=Synod: ${key}`, ...attributes(key)], { stdin: secret });
  if (code !== 0) throw new Error(`the keyring did not take it: ${stderr.trim() || `exit code ${code}`}`);
}

async function clear(key: string): Promise<void> {
  await run(['clear', ...attributes(key)]);
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Rejects when the tool is not there or does not end in time. */
function run(words: readonly string[], { stdin = '', timeoutMs = TIMEOUT_MS } = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(TOOL, words, { stdio: 'pipe', timeout: timeoutMs, killSignal: 'SIGKILL' });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    child.once('error', reject);
    child.once('close', (code) =>
      code === null ? reject(new Error(`${TOOL} did not end`)) : resolve({ code, ...output }),
    );
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}
