#!/bin/bash
# One host of a lab from power on to power off, inside the lab's enclosure: host.sh FOLDER. The folder holds `host.env` (what the host
# is, written by host-files.ts) and the host's disks. A reboot from within the host starts it again after a pause, as firmware does.
set -euo pipefail
folder=$1
. "$folder/host.env"
here=$(dirname "$0")
root=$folder/root

disks() {
  # Killed, not cut off: they are as they were.
  ! mountpoint -q "$root" || return 0
  mkdir -p "$folder"/{data,root,disk,system}
  if [ "$KIND" = full ]; then
    [ -f "$folder/system.img" ] || { truncate -s 2G "$folder/system.img"; mkfs.ext4 -q -m0 -F -E lazy_itable_init=1,lazy_journal_init=1 "$folder/system.img"; }
    [ -f "$folder/data.img" ] || { truncate -s "${DATA_MIB}M" "$folder/data.img"; mkfs.ext4 -q -m0 -F "$folder/data.img"; }
    mountpoint -q "$folder/disk" || sick_disk
    mount -o loop,errors=remount-ro "$folder/system.img" "$folder/system"
    mount -o loop,errors=remount-ro "$folder/disk/disk" "$folder/data"
  fi
  mkdir -p "$folder"/system/{changes,work}
  mount -t overlay -o "lowerdir=$ROOT_FILE_SYSTEM,upperdir=$folder/system/changes,workdir=$folder/system/work" lab-host "$root"
  [ -e "$folder/prepared" ] || {
    cp -a "$folder/files/." "$root/"
    [ ! -s "$folder/prepare.sh" ] || chroot "$root" /bin/bash -e <"$folder/prepare.sh"
    [ "$KIND" = light ] || sync -f "$folder/system"
    : >"$folder/prepared"
  }
}

# It outlives the host's power: a sick disk is still sick after a boot.
sick_disk() {
  setsid /usr/bin/python3 "$here/sick-disk.py" "$folder/data.img" "$folder/disk" &
  for _ in $(seq 500); do mountpoint -q "$folder/disk" && return; sleep 0.02; done
  echo "the data disk did not come up" && exit 1
}

# A fresh network and clock for each boot: no socket, rule or uptime of the last one is left.
boot() {
  local uptime
  read -r uptime _ </proc/uptime
  unshare --net --time --fork --boottime "-${uptime%.*}" /bin/bash "$0" "$folder" inside
}

switch() { nsenter --net=/proc/1/ns/net ip -batch -; }

plug() { # DEVICE PORT BRIDGE ADDRESS MAC
  local make="link add $1 address $5 type veth peer name $2 netns 1"
  # The end of the last boot's cable may still be there.
  [ ! -e "$folder/booted" ] || switch <<<"link delete $2" 2>/dev/null || true
  if [ "$CABLE" = slow ]; then
    : >"$folder/$2.ready"
    /usr/bin/python3 "$here/cable.py" "$1" "$2" "$folder/cable.json" >"$folder/$2.ready" &
    for _ in $(seq 500); do [ -s "$folder/$2.ready" ] && break; sleep 0.02; done
    make="link set $1 address $5"
  fi
  ip -batch - <<<"$make
address add $4 dev $1
link set $1 up
link set lo up"
  switch <<<"link set $2 master $3 up"
}

inside() {
  [ -z "$FRONT_ADDRESS" ] || { plug eth0 "$FRONT_PORT" front "$FRONT_ADDRESS" "$FRONT_MAC"; ip route add default via "$GATEWAY"; }
  [ -z "$BACK_ADDRESS" ] || plug "$BACK_DEVICE" "$BACK_PORT" back "$BACK_ADDRESS" "$BACK_MAC"
  : >"$folder/booted"
  # Only now: cables are not slowed down by the host's limits nor frozen with it.
  for cgroup in $CGROUPS; do echo $$ >"$cgroup/cgroup.procs"; done
  local what=(--boot) binds=("--bind=$folder/data:/srv/data")
  [ "$KIND" = full ] || { binds=(); what=(--as-pid2 /bin/sh -c 'mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e'); }
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
  exec systemd-nspawn --quiet --register=no --keep-unit --directory="$root" --network-namespace-path=/proc/self/ns/net \
    --machine="$NAME" --hostname="$NAME" --capability=CAP_NET_ADMIN,CAP_IPC_LOCK --console=pipe \
    --tmpfs="/tmp:mode=1777,$TMP_OPTIONS" "${binds[@]}" "${what[@]}" </dev/null
}

case ${2:-} in
inside) inside ;;
*)
  disks
  while :; do
    status=0
    boot || status=$?
    # systemd-nspawn with --keep-unit says so when the host wants to be started again.
    [ "$status" = 133 ] || exit "$status"
    sleep 1
  done
  ;;
esac
