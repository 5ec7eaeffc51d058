#!/usr/bin/env bash
# Packs a tree that has debian/, libraries/ and README.md: `pack.sh TREE ARCHITECTURE`. The package is laid beside TREE.
set -euo pipefail
cd "$1"
# Version and date are those of the gateway itself, so that the same source gives the same package.
about() { sed -n "s/^$1: Final = \"\\?\\([^\" ]*\\)\"\\?\$/\\1/p" libraries/shared/gateway/__init__.py; }
cat >debian/changelog <<END
sunmi-gateway ($(about __version__)) stable; urgency=medium

  * See README.md.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -uR -d "@$(about RELEASED_AT)")
END
umask 022
log=$(mktemp)
# Nothing is compiled, so that a compiler for the other architecture is not missed.
if ! DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage --build=binary --host-arch "$2" --no-sign --no-check-builddeps >"$log" 2>&1; then
  cat "$log" >&2
  rm "$log"
  exit 1
fi
rm "$log"
