/** Adds a host: who it is, how to log in, then whatever it asks, until it is reached and checked. */
import { useState } from 'react';
import type { HostAuth } from '../../../electron/contract/login.ts';
import { type Failure, type HostView, nameSchema } from '../../../electron/contract/model.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { useHosts } from '../../live/fleet.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { HostDialog } from './host-dialog.tsx';

const blank = { name: '', address: '', port: '22', user: '', auth: 'default', keyPath: '', transport: 'builtin' };
type Form = typeof blank;

export function AddHostDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [form, setForm] = useState(blank);
  const [added, setAdded] = useState<HostView | null>(null);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const current = useHosts().find((host) => host.hostId === added?.hostId) ?? added;
  const set = (part: Partial<Form>) => setForm({ ...form, ...part });
  const port = Number(form.port);
  const nameProblem = form.name === '' ? null : (nameSchema.safeParse(form.name).error?.issues[0]?.message ?? null);
  const addressProblem = /\s/.test(form.address.trim()) ? 'an address has no spaces' : null;
  const portProblem = Number.isInteger(port) && port >= 1 && port <= 65535 ? null : 'a port is 1 to 65535';
  const ready =
    form.name !== '' &&
    nameProblem === null &&
    form.address.trim() !== '' &&
    addressProblem === null &&
    form.user !== '' &&
    portProblem === null;
  const close = () => {
    setForm(blank);
    setAdded(null);
    setFailure(null);
    onClose();
  };
  const add = async () => {
    setBusy(true);
    setFailure(null);
    try {
      const { name, address, user } = form;
      const transport = form.transport === 'openssh' ? 'openssh' : 'builtin';
      const auth = authOf(form);
      setAdded(await engine().hosts.add({ name, address: address.trim(), port, user, auth, transport }));
    } catch (error) {
      setFailure(failureOf(error));
    }
    setBusy(false);
  };
  if (current !== null) return <HostDialog host={open ? current : null} onClose={close} />;
  return (
    <Dialog
      open={open}
      onClose={close}
      title="Add a host"
      description="Synod logs in and looks; nothing is changed on it."
      footer={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button needsEngine look="primary" type="submit" form="add-host" disabled={!ready || busy}>
            {busy ? 'Connecting…' : 'Connect'}
          </Button>
        </>
      }
    >
      <form
        id="add-host"
        className="grid grid-cols-6 gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void add();
        }}
      >
        {failure !== null && <FailureNote failure={failure} className="col-span-6" />}
        <TextField
          className="col-span-6"
          label="Name"
          placeholder="db-1"
          hint="how it is called here: lower-case letters, digits, hyphens"
          problem={nameProblem}
          value={form.name}
          onChange={(event) => set({ name: event.target.value })}
        />
        <TextField
          className="col-span-4"
          label="Address"
          placeholder="10.0.0.11 or db-1.example.net"
          problem={addressProblem}
          value={form.address}
          onChange={(event) => set({ address: event.target.value })}
        />
        <TextField
          className="col-span-2"
          label="Port"
          inputMode="numeric"
          problem={portProblem}
          value={form.port}
          onChange={(event) => set({ port: event.target.value })}
        />
        <TextField
          className="col-span-2"
          label="User"
          value={form.user}
          onChange={(event) => set({ user: event.target.value })}
        />
        <SelectField
          className="col-span-4"
          label="Log in with"
          value={form.auth}
          onChange={(event) => set({ auth: event.target.value })}
          options={[
            { value: 'default', label: "SSH agent, then the user's default keys" },
            { value: 'agent', label: 'SSH agent only' },
            { value: 'key', label: 'a key file' },
            { value: 'password', label: 'a password (asked for next)' },
          ]}
        />
        {form.auth === 'key' && (
          <TextField
            className="col-span-6"
            label="Path of the private key"
            placeholder="~/.ssh/id_ed25519"
            hint="on the computer that the engine runs on"
            value={form.keyPath}
            onChange={(event) => set({ keyPath: event.target.value })}
          />
        )}
        <SelectField
          className="col-span-6"
          label="Reach it with"
          value={form.transport}
          onChange={(event) => set({ transport: event.target.value })}
          options={[
            { value: 'builtin', label: "Synod's own SSH" },
            { value: 'openssh', label: "this computer's ssh: certificates, hardware keys" },
          ]}
        />
      </form>
    </Dialog>
  );
}

function authOf(form: Form): HostAuth {
  if (form.auth === 'key') return { kind: 'key', path: form.keyPath };
  if (form.auth === 'agent') return { kind: 'agent' };
  return form.auth === 'password' ? { kind: 'password' } : { kind: 'default' };
}
