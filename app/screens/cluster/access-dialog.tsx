import type { Failure } from '../../../electron/contract/model.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { ScrollRegion } from '../../ui/scroll-region.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';

export interface Access {
  readonly endpoints: readonly string[];
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
}

/** What an etcd client needs, ready to be copied. */
export function AccessDialog(props: {
  clusterName: string;
  access: Access | null;
  failure: Failure | null;
  onClose: () => void;
}) {
  const { access, failure } = props;
  return (
    <Dialog
      open={access !== null || failure !== null}
      onClose={props.onClose}
      title={`How clients reach ${props.clusterName}`}
      description="Any etcd v3 client works. Paths are on the computer that the engine runs on."
    >
      {failure !== null && <FailureNote failure={failure} />}
      {access !== null && (
        <ScrollRegion label="Command" className="overflow-x-auto rounded-lg border border-line bg-bg p-3">
          <pre className="font-mono text-xs leading-relaxed">{commandOf(access)}</pre>
        </ScrollRegion>
      )}
    </Dialog>
  );
}

function commandOf({ endpoints, tls }: Access): string {
  const lines = [`ETCDCTL_API=3 etcdctl --endpoints=${endpoints.join(',')}`];
  if (tls !== null) lines.push(`  --cacert=${tls.ca}`, `  --cert=${tls.cert}`, `  --key=${tls.key}`);
  return [...lines, '  put greeting hello'].join(' \\\n');
}
