#!/usr/bin/env bash
# Builds the Debian packages for amd64 and arm64, or for the architectures given, into dist/, on any Debian machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
need_packages debhelper dpkg-dev
make_environment package

if [ $# = 0 ]; then set -- amd64 arm64; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p dist "$work/source"
cp -r pyproject.toml README.md gateway firmware_tools "$work/source" # building a wheel leaves files behind

for architecture in "$@"; do
  tree=$work/$architecture/sunmi-gateway
  mkdir -p "$tree"
  cp -r packaging/debian "$tree"
  .venv/bin/python packaging/documents.py "$tree/documents"
  .venv/bin/python packaging/libraries.py "$work/source" "$architecture" "$tree/libraries" >>"$tree/debian/copyright"
  bash packaging/pack.sh "$tree" "$architecture"
  mv "$work/$architecture"/*.deb dist/
  ls dist/*_"$architecture".deb
done
