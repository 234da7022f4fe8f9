/**
 * What a preflight offers to put right. A fix is shown as the very lines that will run, as root, under `sh -e`; each may be run
 * again, touches only a file of its own name or one switch, and says how it is taken back.
 */
import type { CheckFix } from '../../../contract/model.ts';

const SYSCTL_FILE = '/etc/sysctl.d/60-synod.conf';
const HUGE_PAGES_FILE = '/etc/tmpfiles.d/synod-huge-pages.conf';
const HUGE_PAGES_SWITCH = '/sys/kernel/mm/transparent_hugepage/enabled';

export function lowerSwappiness(before: number): CheckFix {
  return {
    fixId: 'swappiness',
    title: 'Swap only when nothing else is left (vm.swappiness 1)',
    commands: [`echo 'vm.swappiness = 1' > ${SYSCTL_FILE}`, 'sysctl -q -w vm.swappiness=1'],
    undo: [`rm -f ${SYSCTL_FILE}`, `sysctl -q -w vm.swappiness=${before}`],
  };
}

export const hugePagesOnRequest: CheckFix = {
  fixId: 'hugePages',
  title: 'Huge pages only where a program asks for them (madvise)',
  commands: [
    `echo 'w ${HUGE_PAGES_SWITCH} - - - - madvise' > ${HUGE_PAGES_FILE}`,
    `echo madvise > ${HUGE_PAGES_SWITCH}`,
  ],
  undo: [`rm -f ${HUGE_PAGES_FILE}`, `echo always > ${HUGE_PAGES_SWITCH}`],
};

/** `service` is installed there, and not running. */
export function startClockService(service: string): CheckFix {
  return {
    fixId: 'clockService',
    title: `Keep the clock right with ${service}`,
    commands: [`systemctl enable --now ${service}.service`],
    undo: [`systemctl disable --now ${service}.service`],
  };
}

/** Adds to what is allowed, and removes nothing. */
export function openPorts(firewall: 'firewalld' | 'ufw', ports: readonly number[]): CheckFix {
  const each = (of: (port: number) => string): string[] => ports.map(of);
  if (firewall === 'ufw')
    return {
      fixId: 'firewall',
      title: `Let ${ports.join(' and ')} through the firewall (ufw)`,
      commands: each((port) => `ufw allow ${port}/tcp comment synod`),
      undo: each((port) => `ufw delete allow ${port}/tcp`),
    };
  const both = (verb: string) => (port: number) =>
    `firewall-cmd -q --permanent --${verb}-port=${port}/tcp; firewall-cmd -q --${verb}-port=${port}/tcp`;
  return {
    fixId: 'firewall',
    title: `Let ${ports.join(' and ')} through the firewall (firewalld)`,
    commands: each(both('add')),
    undo: each(both('remove')),
  };
}

/**
 * For copies of one image. Drawn at random: systemd-machine-id-setup would take the id over again from a hypervisor or container.
 * Programs that run go on with the old id until the host is started again.
 */
export const newMachineId: CheckFix = {
  fixId: 'machineId',
  title: 'Give it a machine id of its own',
  commands: [
    'cp -p /etc/machine-id /etc/machine-id.before-synod',
    'tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id.synod-new',
    'chmod 444 /etc/machine-id.synod-new',
    'mv -f /etc/machine-id.synod-new /etc/machine-id',
    '[ -L /var/lib/dbus/machine-id ] || [ ! -e /var/lib/dbus/machine-id ] || cp /etc/machine-id /var/lib/dbus/machine-id',
  ],
  undo: ['mv /etc/machine-id.before-synod /etc/machine-id'],
};
