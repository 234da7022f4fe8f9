/** A node's state as a snapshot file that is made while it is read, and never lies on this node's disk. */
import type { SnapshotSource } from '../api/port.ts';
import { type Configuration, encodeConfiguration } from '../contract/configuration.ts';
import type { KeyValueMachine } from '../machine/machine.ts';
import { SnapshotEncoder } from '../storage/snapshot-file.ts';

export function snapshotSource(
  machine: KeyValueMachine,
  { clusterId, configuration }: { clusterId: string; configuration: Configuration },
): SnapshotSource {
  const view = machine.snapshot();
  const { slot } = view;
  const encoder = new SnapshotEncoder({ clusterId, slot, configuration: encodeConfiguration(configuration) });
  function* bytes(): Generator<Uint8Array, void, void> {
    yield encoder.start();
    for (const chunk of view.chunks()) yield Buffer.concat(encoder.add(chunk));
    yield encoder.finish().bytes;
  }
  return { slot, revision: machine.revision, bytes: bytes(), close: () => view.close() };
}
