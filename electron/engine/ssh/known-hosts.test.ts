import { createHmac } from 'node:crypto';
import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { type HostKeyPlace, judgeHostKey, knownKeyTypes, offeredHostKey, parseKnownHosts } from './known-hosts.ts';

function key(type: 'ed25519' | 'ecdsa'): { line: string; wire: Buffer } {
  const pair =
    type === 'ed25519' ? ssh2.utils.generateKeyPairSync(type) : ssh2.utils.generateKeyPairSync(type, { bits: 256 });
  const line = pair.public.split(' ').slice(0, 2).join(' ');
  return { line, wire: Buffer.from(line.split(' ')[1] ?? '', 'base64') };
}
const first = key('ed25519');
const second = key('ed25519');
const ecdsa = key('ecdsa');

function judge(
  file: string,
  shown: { wire: Buffer },
  place: HostKeyPlace = { address: 'Db1.example', port: 22 },
): string {
  return judgeHostKey(parseKnownHosts(file), offeredHostKey(shown.wire, place)).verdict;
}
function hashed(name: string): string {
  const salt = Buffer.alloc(20, 7);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

describe('known_hosts', () => {
  it('knows a plain name whatever its case, and nobody else', () => {
    expect(judge(`db1.example,10.0.0.1 ${first.line} comment\n`, first)).toBe('known');
    expect(judge(`db1.example ${first.line}`, first, { address: '10.0.0.1', port: 22 })).toBe('unknown');
    expect(judge('', first)).toBe('unknown');
  });

  it('tells ports apart', () => {
    const file = `[db1.example]:2222 ${first.line}\n`;
    expect(judge(file, first, { address: 'db1.example', port: 2222 })).toBe('known');
    expect(judge(file, first)).toBe('unknown');
  });

  it('knows a host on another port by the key of the bare name, and asks about any other key', () => {
    const place = { address: 'db1.example', port: 2222 };
    expect(judge(`db1.example ${first.line}\n`, first, place)).toBe('known');
    expect(judge(`db1.example ${first.line}\n`, second, place)).toBe('unknown');
    expect(judge(`db1.example ${first.line}\n@revoked * ${first.line}\n`, first, place)).toBe('revoked');
  });

  it('looks an alias up instead of address and port', () => {
    const place = { address: '10.0.0.7', port: 2222, hostKeyAlias: 'db1' };
    expect(judge(`db1 ${first.line}\n[10.0.0.7]:2222 ${second.line}`, first, place)).toBe('known');
    expect(judge(`db1 ${first.line}\n[10.0.0.7]:2222 ${second.line}`, second, place)).toBe('changed');
    expect(judge(`10.0.0.7 ${first.line}`, first, place)).toBe('unknown');
  });

  it('says which line of which file speaks against a key', () => {
    const lines = [
      ...parseKnownHosts(`# own\nother ${first.line}\n`, '/own'),
      ...parseKnownHosts(`db1.example ${ecdsa.line}\ndb1.example ${first.line}\n`, '/user'),
    ];
    const shown = offeredHostKey(second.wire, { address: 'db1.example', port: 22 });
    expect(judgeHostKey(lines, shown)).toMatchObject({ verdict: 'changed', line: { path: '/user', number: 2 } });
  });

  it('reads hashed names', () => {
    expect(judge(`${hashed('db1.example')} ${first.line}\n`, first)).toBe('known');
    expect(
      judge(`${hashed('[db1.example]:2222')} ${first.line}\n`, first, { address: 'db1.example', port: 2222 }),
    ).toBe('known');
    expect(judge(`${hashed('db2.example')} ${first.line}\n`, first)).toBe('unknown');
    expect(judge(`|1|broken ${first.line}\n`, first)).toBe('unknown');
  });

  it('reads patterns and their exceptions', () => {
    expect(judge(`*.example ${first.line}`, first)).toBe('known');
    expect(judge(`db?.example ${first.line}`, first)).toBe('known');
    expect(judge(`*.example,!db1.example ${first.line}`, first)).toBe('unknown');
    expect(judge(`db1xexample ${first.line}`, first)).toBe('unknown');
  });

  it('refuses a changed key, also one of a type never seen', () => {
    expect(judge(`db1.example ${first.line}`, second)).toBe('changed');
    expect(judge(`db1.example ${first.line}`, ecdsa)).toBe('changed');
  });

  it('knows a host by any of its keys and says their types', () => {
    const file = `db1.example ${first.line}\ndb1.example ${ecdsa.line}\n`;
    expect([judge(file, first), judge(file, ecdsa), judge(file, second)]).toEqual(['known', 'known', 'changed']);
    const types = knownKeyTypes(parseKnownHosts(file), { address: 'db1.example', port: 22 });
    expect(types).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256']);
  });

  it('refuses a revoked key even where it is listed as known', () => {
    expect(judge(`db1.example ${first.line}\n@revoked * ${first.line}\n`, first)).toBe('revoked');
    expect(judge(`@revoked * ${second.line}\n`, first)).toBe('unknown');
  });

  it('leaves out comments, authorities and lines that are not keys', () => {
    const file = `# db1.example ${first.line}\n@cert-authority *.example ${first.line}\ndb1.example ssh-rsa ${first.line.split(' ')[1]}\n\nx`;
    expect(judge(file, first)).toBe('unknown');
  });
});
