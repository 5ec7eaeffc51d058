#!/usr/bin/env bash
# Packs a tree that has debian/, libraries/ and documents/: `pack.sh TREE ARCHITECTURE`. The package is laid beside TREE.
set -euo pipefail
cd "$1"
# The version and the date of what is inside are those of debian/changelog, so that the same source gives the same package.
umask 022
log=$(mktemp)
# Nothing is compiled, so that a compiler for the other architecture is not missed.
if ! DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage --build=binary --host-arch "$2" --no-sign --no-check-builddeps >"$log" 2>&1; then
  cat "$log" >&2
  rm "$log"
  exit 1
fi
rm "$log"
