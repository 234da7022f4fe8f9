/** What a host waits for: a key to be confirmed, a password, or a decision that only a person outside can make. */
import { Fingerprint, KeyRound, ShieldAlert } from 'lucide-react';
import { useState } from 'react';
import type { Failure, HostView } from '../../../electron/contract/model.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { Button } from '../../ui/button.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { TextField } from '../../ui/field.tsx';

export function HostAnswer({ host }: { host: HostView }) {
  const [secret, setSecret] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const { state, offeredKey, failure: why } = host.reachability;
  const attempt = async (run: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(null);
    try {
      await run();
      setSecret('');
    } catch (error) {
      setFailure(failureOf(error));
    }
    setBusy(false);
  };
  const { hostId } = host;
  return (
    <>
      {failure !== null && <FailureNote failure={failure} />}
      {state === 'hostKeyUnknown' && offeredKey !== null && (
        <section aria-label="Confirm the host key" className="rounded-lg border border-warn/50 bg-warnwash p-3.5">
          <h3 className="flex items-center gap-2 font-semibold">
            <Fingerprint aria-hidden className="size-4 text-warn" /> Is this the key of {host.name}?
          </h3>
          <p className="mt-1 text-dim">
            It was never seen before. Compare it with what the machine itself says (
            <code className="font-mono text-xs">ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub</code>).
          </p>
          <p className="my-2.5 rounded-md bg-bg px-3 py-2 font-mono text-xs break-all" data-testid="fingerprint">
            {offeredKey.keyType} {offeredKey.fingerprint}
          </p>
          <Button
            needsEngine
            look="primary"
            disabled={busy}
            onClick={() => void attempt(() => engine().hosts.trustKey({ hostId, fingerprint: offeredKey.fingerprint }))}
          >
            It is the same: trust this key
          </Button>
        </section>
      )}
      {state === 'hostKeyChanged' && (
        <section role="alert" className="rounded-lg border border-bad/60 bg-badwash p-3.5">
          <h3 className="flex items-center gap-2 font-semibold">
            <ShieldAlert aria-hidden className="size-4 text-bad" /> Refused: the key of {host.name} has changed
          </h3>
          <p className="mt-1 text-dim">
            The machine that answers is not the one that was trusted: it was installed anew, another machine has its
            address, or somebody stands between. Nothing was sent to it. If you know why it changed, remove the old key
            (
            <code className="font-mono text-xs">
              ssh-keygen -R "[{host.address}]:{host.port}"
            </code>
            ), remove this host here and add it again.
          </p>
          {offeredKey !== null && (
            <p className="mt-2.5 rounded-md bg-bg px-3 py-2 font-mono text-xs break-all">
              offered: {offeredKey.keyType} {offeredKey.fingerprint}
            </p>
          )}
        </section>
      )}
      {state === 'authFailed' && why?.kind === 'keyFileUnreadable' && <FailureNote failure={why} />}
      {state === 'authFailed' && why?.kind !== 'keyFileUnreadable' && (
        <form
          aria-label="Log in"
          className="rounded-lg border border-warn/50 bg-warnwash p-3.5"
          onSubmit={(event) => {
            event.preventDefault();
            void attempt(() => engine().hosts.provideSecret({ hostId, secret }));
          }}
        >
          <h3 className="flex items-center gap-2 font-semibold">
            <KeyRound aria-hidden className="size-4 text-warn" />
            {why?.kind === 'passphraseNeeded' ? why.message : `The host refused the login as ${host.user}`}
          </h3>
          <p className="mt-1 mb-2.5 text-dim">
            A password or a passphrase is kept in the engine's memory only, until it stops.
          </p>
          <div className="flex items-end gap-2">
            <TextField
              label="Password or passphrase"
              type="password"
              value={secret}
              onChange={(event) => setSecret(event.target.value)}
              className="flex-1"
            />
            <Button needsEngine look="primary" type="submit" disabled={busy || secret === ''}>
              Log in
            </Button>
          </div>
        </form>
      )}
    </>
  );
}
