#!/usr/bin/env bash
# Puts the package into a memory card image: customise-image.sh IMAGE PACKAGE.deb. As root, on a Debian machine.
# IMAGE is one of Raspberry Pi OS Lite (64-bit), unpacked: a boot partition (FAT) and a root partition (ext4). It is changed.
set -euo pipefail

fail() {
  echo "customise-image: $1" >&2
  exit 1
}

[ $# = 2 ] || fail "usage: customise-image.sh IMAGE PACKAGE.deb"
image=$(realpath "$1") package=$(realpath "$2")
[ -f "$image" ] && [ -f "$package" ] || fail "$1 and $2 have to be files"
[ "$(id -u)" = 0 ] || fail "run this as root: it mounts the image"
for program in sfdisk losetup resize2fs e2fsck python3; do
  command -v "$program" >/dev/null || fail "$program is missing: apt install fdisk mount e2fsprogs python3"
done

mount=$(mktemp -d) root_loop=
finish() {
  for folder in dev/pts dev proc sys ""; do
    if mountpoint -q "$mount/$folder"; then umount "$mount/$folder"; fi
  done
  if [ -n "$root_loop" ]; then losetup -d "$root_loop"; fi
  rmdir "$mount"
}
trap finish EXIT

sfdisk --json "$image" 2>/dev/null | python3 -c '
import json, sys
kinds = [part["type"] for part in json.load(sys.stdin)["partitiontable"]["partitions"]]
sys.exit(kinds not in (["c", "83"], ["b", "83"], ["e", "83"]))' 2>/dev/null ||
  fail "$1 is no image of a memory card with a boot partition (FAT) and a root partition (Linux), and stays as it is"

mount_root() {
  # By its place, since device nodes of partitions are not there in every container.
  read -r begin size < <(sfdisk --json "$image" | python3 -c '
import json, sys
table = json.load(sys.stdin)["partitiontable"]
sector, part = table.get("sectorsize", 512), table["partitions"][1]
print(part["start"] * sector, part["size"] * sector)')
  root_loop=$(losetup --find --show --offset "$begin" --sizelimit "$size" "$image")
  e2fsck -fp "$root_loop" >/dev/null || [ $? = 1 ] || fail "the root partition of $image is damaged"
  resize2fs "$root_loop" >/dev/null 2>&1
  mount "$root_loop" "$mount"
}

mount_root
# Room for the package and what it needs, only where there is none: the script may be run again on the same image.
# The first start takes the whole card.
needed=$((1024 * 1024 * 1024))
if [ -e "$mount/var/lib/dpkg/info/sunmi-gateway.list" ]; then needed=$((needed / 4)); fi
free=$(df --output=avail -B1 "$mount" | tail -n 1)
if [ "$free" -lt "$needed" ]; then
  umount "$mount"
  losetup -d "$root_loop"
  root_loop=
  more=$(((needed - free) * 5 / 4)) # ext4 keeps a part of it for itself
  truncate -s ">$(((begin + size + more) / 4096 * 4096))" "$image"
  echo ", +" | sfdisk --quiet --no-reread -N 2 "$image"
  mount_root
fi

chroot "$mount" /bin/true 2>/dev/null ||
  fail "this machine cannot run the programs of $1: apt install qemu-user-static binfmt-support, or do this on a Raspberry Pi"
for folder in dev dev/pts proc sys; do mount --bind "/$folder" "$mount/$folder"; done
printf '#!/bin/sh\nexit 101\n' >"$mount/usr/sbin/policy-rc.d" # starts no service in here
chmod 755 "$mount/usr/sbin/policy-rc.d"
resolver=$mount/etc/resolv.conf
if [ -e "$resolver" ] || [ -L "$resolver" ]; then mv "$resolver" "$resolver.kept"; fi
cp /etc/resolv.conf "$resolver"
cp "$package" "$mount/root/package.deb"
chroot "$mount" sh -ec '
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends /root/package.deb fonts-wqy-microhei >/dev/null
  apt-get clean'
rm -f "$resolver" "$mount/root/package.deb" "$mount/usr/sbin/policy-rc.d"
if [ -e "$resolver.kept" ] || [ -L "$resolver.kept" ]; then mv "$resolver.kept" "$resolver"; fi
# Each machine makes its own.
rm -f "$mount"/var/lib/sunmi-gateway/* "$mount"/etc/ssh/ssh_host_*_key*
: >"$mount/etc/machine-id"
version=$(chroot "$mount" dpkg-query -W -f '${Version}' sunmi-gateway)
echo "$1 holds sunmi-gateway $version. On its boot partition put sunmi-gateway.toml, with join_code = \"…\" for a chain"
