#!/bin/bash
# Process 1 of a lab, in namespaces of its own for mounts, processes and network: when it ends, however that happens, the kernel ends
# every process of the lab, takes its mounts and loop devices away and its network. With UNTIL='owner ends' it ends
# when standard input does.
set -euo pipefail
# An unmount must reach the copies of these mounts that every host started later has, or disks would never be free.
mount --make-rshared /
# Whatever systemd-nspawn leaves about its machines stays in here.
mkdir -p /run/systemd
mount -t tmpfs -o mode=755 lab-run /run/systemd
sysctl --quiet --write --ignore net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0
ip link set lo up
for segment in front back; do
  ip link add "$segment" type bridge
  ip link set "$segment" up
done
ip address add "$FRONT_ADDRESS" dev front
ip address add "$BACK_ADDRESS" dev back
echo ready
exec 1>&-
# Bash reaps what ends as an orphan while it waits here.
if [ "$UNTIL" = 'owner ends' ]; then
  read -r _ || true
else
  exec 0<&-
  sleep infinity &
  wait
fi
