/**
 * Whether hosts reach each other on the ports of a cluster, and how fast, before anything of ours is installed there. On each
 * host a listener takes the free ports for some seconds and greets with a word that only this check knows; from each host
 * the others are called. So a firewall that answers in a host's place, or another program, is told from an open way. Both ends
 * are a few lines for whatever interpreter the host has: Python or Perl.
 */
import { type ShellCommand, ShellFragment, sh } from '../ssh/shell-command.ts';

/** The listener ends when its stdin does, or after this. */
export const LISTEN_SECONDS = 60;
const CONNECT_SECONDS = 2;
const CALLS = 5;

const pythonListener = `
import select, socket, sys
word, addr = sys.argv[1].encode(), sys.argv[2]
family = socket.AF_INET6 if ":" in addr else socket.AF_INET
socks = []
for port in map(int, sys.argv[3:]):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((addr, port)); s.listen(64); socks.append(s)
    except OSError as e:
        print("taken %d %s" % (port, e.strerror))
print("ready"); sys.stdout.flush()
while True:
    ready = select.select(socks + [sys.stdin], [], [], ${LISTEN_SECONDS})[0]
    if not ready or sys.stdin in ready: break
    for s in ready:
        c = s.accept()[0]
        try: c.sendall(word)
        except OSError: pass
        c.close()
`;

const pythonCaller = `
import errno, socket, sys, threading, time
word = sys.argv[1].encode()
def call(target):
    addr, port = target.rsplit(":", 1)
    times = []; state = "open"
    for _ in range(${CALLS}):
        s = None; silent = "timeout"
        try:
            began = time.perf_counter()
            s = socket.create_connection((addr, int(port)), ${CONNECT_SECONDS})
            times.append("%d" % ((time.perf_counter() - began) * 1e6)); silent = "other"
            got = b""
            while len(got) < len(word):
                more = s.recv(64)
                if not more: break
                got += more
            if got != word: state = "other"; break
        except socket.timeout: state = silent; break
        except OSError as e:
            state = "refused" if e.errno == errno.ECONNREFUSED else "reset" if e.errno == errno.ECONNRESET else "unreachable"; break
        finally:
            if s: s.close()
    print("call %s %s %s" % (target, state, ",".join(times)))
threads = [threading.Thread(target=call, args=(t,)) for t in sys.argv[2:]]
for t in threads: t.start()
for t in threads: t.join()
`;

const perlListener = `
use IO::Socket::IP; use IO::Select;
my ($word, $addr, @ports) = @ARGV; my $set = IO::Select->new(\\*STDIN); $| = 1;
$SIG{PIPE} = "IGNORE";
for my $port (@ports) {
  my $s = IO::Socket::IP->new(LocalHost => $addr, LocalPort => $port, Listen => 64, ReuseAddr => 1);
  if ($s) { $set->add($s) } else { print "taken $port $!\\n" }
}
print "ready\\n";
OUTER: while (my @ready = $set->can_read(${LISTEN_SECONDS})) {
  for my $s (@ready) {
    last OUTER if $s == \\*STDIN;
    my $c = $s->accept or next; print $c $word; close $c;
  }
}
`;

const perlCaller = `
use IO::Socket::IP; use IO::Select; use Errno qw(ECONNREFUSED ECONNRESET ETIMEDOUT); $| = 1;
my ($word, @targets) = @ARGV;
my $clock = \`uname -m\` =~ /^x86_64/ ? 228 : 113;
sub now { my $t = pack("q2", 0, 0); syscall($clock, 1, $t); my ($s, $n) = unpack("q2", $t); return $s * 1e6 + $n / 1e3 }
for my $target (@targets) {
  next if fork;
  my ($addr, $port) = $target =~ /^(.*):(\\d+)$/; my @times; my $state = "open";
  for (1 .. ${CALLS}) {
    my $began = now();
    my $s = IO::Socket::IP->new(PeerHost => $addr, PeerPort => $port, Timeout => ${CONNECT_SECONDS});
    if (!$s) {
      $state = $! == ECONNREFUSED ? "refused" : $! == ECONNRESET ? "reset" : $! == ETIMEDOUT ? "timeout" : "unreachable"; last;
    }
    push @times, int(now() - $began);
    my $got = ""; my $wait = IO::Select->new($s);
    while (length($got) < length($word)) { $wait->can_read(${CONNECT_SECONDS}) && sysread($s, my $more, 64) or last; $got .= $more }
    if ($got ne $word) { $state = "other"; last }
    close $s;
  }
  print "call $target $state ", join(",", @times), "\\n"; exit;
}
1 while wait != -1;
`;

/** Prints `ready` when it listens, after `taken PORT why` for each port that it could not have. `word`: [a-z0-9]+. */
export function listenCommand(at: { word: string; address: string; ports: readonly number[] }): ShellCommand {
  return interpreted({ python: pythonListener, perl: perlListener }, [at.word, at.address, ...at.ports.map(String)]);
}

/** Prints a line for each target that `parseCalls` reads. */
export function callCommand(word: string, targets: readonly { address: string; port: number }[]): ShellCommand {
  const named = targets.map(({ address, port }) => `${address}:${port}`);
  return interpreted({ python: pythonCaller, perl: perlCaller }, [word, ...named]);
}

/** Exit code where the host has no interpreter that we can use. */
export const NO_INTERPRETER = 90;

function interpreted(programs: { python: string; perl: string }, args: readonly string[]): ShellCommand {
  const python = new ShellFragment(sh`-c ${programs.python} ${args}`);
  const perl = new ShellFragment(sh`-e ${programs.perl} ${args}`);
  return sh`for python in python3 /usr/libexec/platform-python; do
command -v $python >/dev/null 2>&1 && $python -c 'import sys' >/dev/null 2>&1 && exec $python ${python}
done
command -v perl >/dev/null 2>&1 && exec perl ${perl}
exit ${NO_INTERPRETER}`;
}

export type CallState =
  /** Greeted with the word of this check, every time. */
  | 'open'
  /** Reached something that is not this check's listener. */
  | 'other'
  | 'refused'
  | 'reset'
  | 'timeout'
  | 'unreachable';

export interface Call {
  readonly address: string;
  readonly port: number;
  readonly state: CallState;
  /** Time to connect, of the calls that did. */
  readonly roundTripMs: readonly number[];
}

const callLine = /^call (.+):(\d+) (open|other|refused|reset|timeout|unreachable) ([\d,]*)$/;

export function parseCalls(stdout: string): Call[] {
  return stdout.split('\n').flatMap((line) => {
    const found = callLine.exec(line);
    if (found === null) return [];
    const times = (found[4] ?? '').split(',').filter((time) => time !== '');
    return [
      {
        address: found[1] ?? '',
        port: Number(found[2]),
        state: found[3] as CallState,
        roundTripMs: times.map((time) => Number(time) / 1000),
      },
    ];
  });
}
