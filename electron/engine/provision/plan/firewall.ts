/** Synod changes no firewall: what stands between the nodes is for the operator to open, and here is the command. */
export function firewallHints(
  firewalls: readonly string[],
  at: { member: { address: string; peerPort: number; clientPort: number }; members: readonly { address: string }[] },
): string[] {
  const { peerPort, clientPort, address } = at.member;
  const peers = [...new Set(at.members.map((member) => member.address))].filter((one) => one !== address);
  return firewalls.map((firewall) => {
    switch (firewall) {
      case 'firewalld':
        return `firewalld runs: firewall-cmd --permanent --add-port=${peerPort}/tcp --add-port=${clientPort}/tcp && firewall-cmd --reload`;
      case 'ufw':
        return `ufw is on: ${peers.map((peer) => `ufw allow from ${peer} to any port ${peerPort} proto tcp`).join(' && ')}; ufw allow ${clientPort}/tcp`;
      default:
        return `nftables drops what no rule lets in: let in tcp port ${peerPort} from ${peers.join(', ')} and tcp port ${clientPort} from clients`;
    }
  });
}
