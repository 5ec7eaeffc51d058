#!/usr/bin/env bash
# Puts packages into the chain's signed Debian repository: `repository.sh OFFICE URL [PACKAGE.deb …]`; without packages,
# those in dist/. OFFICE is the head office's folder. The key of the repository is made there, once, in repository-key;
# what a web server serves at URL is OFFICE/repository/public. Earlier versions stay. Run again, it changes nothing.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: repository.sh OFFICE URL [PACKAGE.deb …]" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
case $2 in
http://?* | https://?* | file:///?*) url=${2%/} ;;
*)
  echo "$2: must be an address at which shops reach the repository, such as http://office.example/packages" >&2
  exit 2
  ;;
esac
office=$(cd "$1" && pwd)
shift 2
[ $# -gt 0 ] || set -- "$here"/../dist/*.deb
for package; do
  [ -f "$package" ] || { echo "$package: there is no such package; packaging/build-deb.sh makes those in dist/" >&2; exit 1; }
done
need_packages aptly gnupg # reprepro of Debian 12 keeps one version alone, and shops need the one before, too

umask 022
repository=$office/repository
key=$office/repository-key
work=$(mktemp -d)
export GNUPGHOME=$work/key # a link with a short path: that of the agent's socket may not have more than 107 letters
trap 'gpgconf --kill gpg-agent; rm -rf "$work"' EXIT
mkdir -p "$repository"
if [ ! -d "$key" ]; then
  # Made beside its place: cut off, it is made again. It never expires, since a shop's clock may say anything.
  rm -rf "$key.new"
  mkdir -m 700 "$key.new"
  ln -s "$key.new" "$GNUPGHOME"
  gpg --batch --quiet --passphrase '' --quick-gen-key "packages of the chain" ed25519 sign never
  gpgconf --kill gpg-agent
  mv "$key.new" "$key"
fi
ln -sfn "$key" "$GNUPGHOME"

cat >"$repository/aptly.json" <<END
{"rootDir": "$repository", "architectures": ["amd64", "arm64"]}
END
log=$work/log
run_aptly() {
  if ! aptly -config="$repository/aptly.json" "$@" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}
aptly -config="$repository/aptly.json" repo show gateway >/dev/null 2>&1 ||
  run_aptly repo create -distribution=stable -component=main gateway
for package in "$@"; do
  # Another package of a version that is published is refused: shops would have either.
  run_aptly repo add gateway "$package" || { echo "$package: cannot be added to the repository" >&2; exit 1; }
done
if [ -e "$repository/public/dists/stable/InRelease" ]; then
  run_aptly publish update -batch stable
else
  run_aptly publish repo -batch -origin="SUNMI store gateway" -label=chain -skip-contents gateway
fi

# What makes a shop trust it, in one file. Dates are not checked: a Raspberry Pi has no clock, and a head office that
# names the version cannot be answered with an old index.
{
  printf 'Types: deb\nURIs: %s\nSuites: stable\nComponents: main\nCheck-Date: no\nSigned-By:\n' "$url"
  gpg --batch --armor --export | sed 's/^$/./; s/^/ /'
} >"$repository/public/sunmi-gateway.sources.new"
mv "$repository/public/sunmi-gateway.sources.new" "$repository/public/sunmi-gateway.sources"
aptly -config="$repository/aptly.json" repo show -with-packages gateway | sed -n 's/^  sunmi-gateway_/sunmi-gateway /p'
