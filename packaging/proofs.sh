#!/usr/bin/env bash
# The slow proofs with their full counts, as root: every byte of a card's metadata, many cut writes, virtual machines with
# card readers and with radios, the Debian packages installed and booted; commands, each in a Python of its own; then the
# everyday tests with a clock that is 400 days ahead. Installs what they need. Arguments go to pytest, which then runs
# once.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
. packaging/run-tests.sh
need_packages $(sed 's/#.*//' packaging/test-packages.txt) exfatprogs exfat-fuse sleuthkit zip e2fsprogs \
  qemu-system-x86 busybox-static cpio \
  dpkg-dev lintian mmdebstrap systemd-container fusefat
make_environment test
make_environment package

# A kernel with exFAT, card readers and radios, for the virtual machines: unpacked only, never installed.
if [ -z "${SUNMI_PROOF_KERNEL:-}" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work" # apt fetches as a user of its own
  kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  (cd "$work" && apt-get -q download "$kernel" >/dev/null && dpkg -x ./*.deb kernel)
  export SUNMI_PROOF_KERNEL=$work/kernel
fi
FULL_PROOFS=1 .venv/bin/python -m pytest -m slow -s "$@"
[ $# -eq 0 ] || exit 0

FULL_PROOFS=1 run_tests -m "not slow" tests/cli
run_tests_with_clock_ahead -m "not slow"
