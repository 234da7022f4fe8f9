/** Ways to log in that are configured for a host and that Synod's own SSH does not have. */
import { join } from 'node:path';
import type { AuthChoice } from '../target.ts';
import type { SshSettings } from './settings.ts';
import type { ConfigWorld } from './world.ts';

const USUAL_SECURITY_KEYS = ['id_ecdsa_sk', 'id_ed25519_sk'];

/** In words, each with its file; null: there are none. */
export async function onlyForOpenSsh(
  choice: AuthChoice,
  settings: SshSettings,
  world: ConfigWorld,
): Promise<string | null> {
  if (choice.kind === 'password') return null;
  const found: string[] = settings.pkcs11Provider === null ? [] : [`the smart card (${settings.pkcs11Provider})`];
  for (const file of settings.certificateFiles)
    if ((await textOf(file, world)) !== '') found.push(`the certificate ${file}`);
  for (const file of keyFiles(choice, settings, world)) {
    const certificate = `${file}-cert.pub`;
    if ((await textOf(certificate, world)) !== '') found.push(`the certificate ${certificate}`);
    const publicKey = await textOf(file.endsWith('.pub') ? file : `${file}.pub`, world);
    if (publicKey.startsWith('sk-')) found.push(`the hardware key ${file}`);
  }
  return found.length === 0 ? null : [...new Set(found)].join(', ');
}

function keyFiles(choice: AuthChoice, settings: SshSettings, world: ConfigWorld): readonly string[] {
  if (choice.kind === 'key') return [choice.path];
  const usual = ['id_rsa', 'id_ecdsa', 'id_ed25519', ...USUAL_SECURITY_KEYS];
  return settings.identityFiles ?? usual.map((name) => join(world.home, '.ssh', name));
}

async function textOf(path: string, world: ConfigWorld): Promise<string> {
  return (await world.read(path).catch(() => null)) ?? '';
}
