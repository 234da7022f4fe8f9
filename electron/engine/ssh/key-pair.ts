/** New keys for SSH. */
import ssh2 from 'ssh2';

/**
 * An Ed25519 pair in OpenSSH's format. About one in 256 that ssh2 makes is one that ssh2 itself cannot read ("Malformed OpenSSH
 * private key", seen with 1.17.0): that one is made anew.
 */
export function newKeyPair(comment = ''): { private: string; public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}
