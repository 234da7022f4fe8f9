#!/bin/bash
# Builds the root file system that every host of a lab stands on: root-file-system.sh CACHE DIGEST. Needs root and Debian's
# registry, about a minute, once; afterwards CACHE/DIGEST.tar.zst unpacks in seconds and CACHE/DIGEST is used as it is.
# Callers wait for each other. Everything runs in namespaces of its own: a build that is killed leaves a folder, no mounts.
set -euo pipefail
cache=$1 digest=$2
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
[ -d "$cache/$digest" ] && exit 0
root=$cache/$digest.part
rm -rf "$root"
mkdir -p "$root"
if [ -f "$cache/$digest.tar.zst" ]; then
  tar -C "$root" --zstd --numeric-owner -xpf "$cache/$digest.tar.zst"
  mv "$root" "$cache/$digest"
  exit 0
fi

mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1)}
packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,sudo,nftables,iproute2,iputils-ping,procps
packages=$packages,kmod,smartmontools,chrony,logrotate,libfaketime
unshare --mount --pid --fork --kill-child --mount-proc \
  debootstrap --variant=minbase --include="$packages" bookworm "$root" "${mirror:-http://deb.debian.org/debian}" >"$cache/$digest.log" 2>&1 ||
  { tail -n 20 "$cache/$digest.log" >&2; exit 1; }

inside() { unshare --mount --pid --fork --kill-child --mount-proc chroot "$root" "$@"; }
# Each host brings its own identity, keys and configuration of sshd.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/usr/share/man/*
: >"$root/etc/machine-id"
: >"$root/etc/resolv.conf"
for user in ops deploy plain; do
  inside useradd --create-home --shell /bin/bash "$user"
  echo "$user:synod-lab" | inside chpasswd
done
# A banner then means that everyone can log in: before this unit PAM refuses all but root.
mkdir -p "$root/etc/systemd/system/ssh.service.d"
printf '[Unit]\nAfter=systemd-user-sessions.service\n' >"$root/etc/systemd/system/ssh.service.d/after-sessions.conf"
inside systemctl --quiet enable ssh.service
inside systemctl --quiet disable chrony.service nftables.service
inside systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer console-getty.service getty@.service \
  systemd-firstboot.service smartmontools.service systemd-networkd-wait-online.service
mkdir -p "$root/srv/data"

tar -C "$root" --zstd --numeric-owner -cpf "$cache/$digest.tar.zst.part" .
mv "$cache/$digest.tar.zst.part" "$cache/$digest.tar.zst"
mv "$root" "$cache/$digest"
rm -f "$cache/$digest.log"
