/** Processor, memory, rights, service manager, firewall: what the operating system brings. */
import type { CheckItem, HostFacts } from '../../../contract/model.ts';
import type { HostProbe } from '../probe.ts';
import { fail, pass, unknown, warn } from './check-item.ts';
import { hugePagesOnRequest, lowerSwappiness, openPorts } from './fixes.ts';

const MIB = 2 ** 20;
/** A node at rest takes about 80 MiB, with a full load of queues some hundred. */
const NEEDED_MEMORY_BYTES = 256 * MIB;
const COMFORTABLE_MEMORY_BYTES = 1024 * MIB;
const NEEDED_OPEN_FILES = 4096;
/** The kernel's default is 60. */
const LOW_SWAPPINESS = 10;

export function systemItems(facts: HostFacts, probe: HostProbe, ports: readonly number[]): CheckItem[] {
  return [
    processorItem(facts, probe),
    memoryItem(facts, probe),
    memoryErrorsItem(probe),
    swapItem(probe),
    hugePagesItem(probe),
    openFilesItem(probe),
    rightsItem(probe, facts.user),
    serviceManagerItem(facts, probe),
    firewallItem(probe, ports),
  ];
}

function processorItem({ cpuCount }: HostFacts, { load1, virtual }: HostProbe): CheckItem {
  const where = virtual === null ? '' : `, virtual (${virtual})`;
  if (cpuCount === null) return unknown('processor', 'not told', null);
  const found = `${cpuCount} core${cpuCount === 1 ? '' : 's'}, load ${load1 ?? 'not told'}${where}`;
  if (cpuCount < 2)
    return warn('processor', found, 'Two cores keep the log and the network from waiting for each other.');
  if (load1 !== null && load1 > cpuCount * 2) return warn('processor', found, 'It is busy: see what runs there.');
  return pass('processor', found);
}

function memoryItem({ memoryBytes }: HostFacts, { memoryAvailableBytes }: HostProbe): CheckItem {
  if (memoryAvailableBytes === null) return unknown('memory', 'not told', null);
  const of = memoryBytes === null ? '' : ` of ${Math.round(memoryBytes / MIB)} MiB`;
  const found = `${Math.round(memoryAvailableBytes / MIB)} MiB${of} available`;
  if (memoryAvailableBytes < NEEDED_MEMORY_BYTES)
    return fail('memory', found, `A node needs ${NEEDED_MEMORY_BYTES / MIB} MiB: free some, or use another host.`);
  if (memoryAvailableBytes < COMFORTABLE_MEMORY_BYTES)
    return warn('memory', found, 'Enough for little data: keys live in memory.');
  return pass('memory', found);
}

function memoryErrorsItem({ memoryErrors }: HostProbe): CheckItem {
  if (memoryErrors === null) return unknown('memory errors', 'not counted: no ECC memory, or no driver for it', null);
  const { corrected, uncorrected } = memoryErrors;
  const found = `${corrected} corrected, ${uncorrected} uncorrected since it was started`;
  if (uncorrected > 0) return fail('memory errors', found, 'Replace the memory module before a node lives here.');
  if (corrected > 0) return warn('memory errors', found, 'See which module it is (`edac-util -v`), and watch it.');
  return pass('memory errors', found);
}

function swapItem({ swapBytes, swappiness }: HostProbe): CheckItem {
  if (swapBytes === null) return unknown('swap', 'not told', null);
  if (swapBytes === 0) return pass('swap', 'none');
  const found = `${Math.round(swapBytes / MIB)} MiB, swappiness ${swappiness ?? 'not told'}`;
  if (swappiness !== null && swappiness <= LOW_SWAPPINESS) return pass('swap', found);
  const why = 'A node that is swapped out answers too late to lead.';
  return warn('swap', found, why, swappiness === null ? null : lowerSwappiness(swappiness));
}

function hugePagesItem({ hugePages }: HostProbe): CheckItem {
  if (hugePages === null) return pass('huge pages', 'the kernel has none');
  if (hugePages !== 'always') return pass('huge pages', hugePages);
  return warn('huge pages', 'always', 'The kernel may stall a node to make room for one.', hugePagesOnRequest);
}

function openFilesItem({ openFiles }: HostProbe): CheckItem {
  if (openFiles === null) return unknown('open files', 'not told', null);
  const found = openFiles === Number.POSITIVE_INFINITY ? 'no limit' : `at most ${openFiles} for this login`;
  return openFiles < NEEDED_OPEN_FILES
    ? warn(
        'open files',
        found,
        `Raise the login's hard limit to ${NEEDED_OPEN_FILES} (/etc/security/limits.d); a system unit brings its own.`,
      )
    : pass('open files', found);
}

const sayRights: Readonly<Record<HostProbe['rights'], (user: string) => string>> = {
  root: () => 'root',
  sudo: (user) => `${user} may become root by sudo`,
  password: (user) => `${user} may become root by sudo, with a password`,
  none: (user) => `${user} is an ordinary login: nodes live in its home, faults are made in the node itself`,
};

function rightsItem({ rights }: HostProbe, user: string): CheckItem {
  return pass('privilege', sayRights[rights](user));
}

function serviceManagerItem({ serviceManager }: HostFacts, { rights, lingers }: HostProbe): CheckItem {
  const check = 'service manager';
  if (serviceManager !== 'systemd') return pass(check, "none; Synod's own supervisor keeps nodes running");
  if (rights !== 'none') return pass(check, 'systemd');
  return pass(
    check,
    lingers ? 'systemd, also for this login after a reboot' : "systemd; this login's services end with it",
  );
}

function firewallItem({ firewall, rights }: HostProbe, ports: readonly number[]): CheckItem {
  const check = 'firewall';
  if (firewall.service !== null) {
    if (firewall.ports === null) return unknown(check, `${firewall.service} runs; its rules are not readable`, null);
    const allowed = firewall.ports;
    const shut = ports.filter((port) => !allowed.some((one) => allows(one, port)));
    if (shut.length === 0) return pass(check, `${firewall.service} lets ${ports.join(' and ')} through`);
    const fix = openPorts(firewall.service, shut);
    return warn(check, `${firewall.service} does not name ${shut.join(' and ')}`, `${fix.title}.`, fix);
  }
  if (firewall.dropsByDefault === true)
    return warn(
      check,
      'a rule set of its own drops what it does not name',
      `Let the other hosts reach ${ports.join(' and ')}; checking several hosts together shows whether they do.`,
    );
  if (firewall.dropsByDefault === null && (rights === 'none' || rights === 'password'))
    return unknown(
      check,
      'not readable without root',
      'Checking several hosts together shows whether they reach each other.',
    );
  return pass(check, 'none in the way');
}

/** `2380/tcp`, `2379-2380/tcp`, `2380` (all protocols). */
function allows(rule: string, port: number): boolean {
  const found = /^(\d+)(?:[-:](\d+))?(?:\/(tcp|udp))?$/.exec(rule);
  if (found === null || found[3] === 'udp') return false;
  return Number(found[1]) <= port && port <= Number(found[2] ?? found[1]);
}
