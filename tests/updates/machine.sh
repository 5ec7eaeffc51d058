#!/bin/sh
# Stands for the machine's programs, by the name that it is called by, in a folder that has all of their state.
# It flushes what dpkg, apt and the service flush.
lab=$(dirname "$(dirname "$0")")
name=$(basename "$0")
echo "$name $*" >>"$lab/calls"
for last; do :; done
step() { # everything may end here: see killed.py
  printf . >>"$lab/steps"
  [ "${UPDATES_END_AT:-0}" -gt 0 ] && [ "$(wc -c <"$lab/steps")" -eq "$UPDATES_END_AT" ] || return 0
  kill -s KILL -- "-$PPID"
  kill -s KILL $$
}
place() { # replaces a file at once, and for good
  sync "$1"
  mv "$1" "$2"
  sync "$(dirname "$2")"
}
unpack() {
  read -r _ version <"$1"
  echo "$version" >"$lab/half"
  sync "$lab/half" "$lab"
  step
  [ ! -e "$lab/uninstallable-$version" ] || { echo "E: Sub-process returned an error code"; exit 100; }
  place "$lab/half" "$lab/installed"
  step
}
case "$name $*" in
"apt-get "*" update")
  [ ! -e "$lab/no-line" ] || { echo "E: Failed to fetch http://office.example/InRelease"; exit 100; } ;;
"apt-get "*" download "*) cp "$lab/repository/${last#*=}" "sunmi-gateway_${last#*=}_all.deb" ;;
"apt-get "*" install "*" --simulate "*)
  [ ! -e "$lab/unmet" ] || { echo "E: Unable to correct problems, you have held broken packages."; exit 100; } ;;
"apt-get "*" install "*" --download-only "*)
  [ ! -e "$lab/no-mirror" ] || { echo "E: Failed to fetch http://debian.example/libc6.deb"; exit 100; } ;;
"apt-get "*" install "*) unpack "$last" ;;
"apt-cache "*) cd "$lab/repository" && for version in *; do echo "sunmi-gateway | $version | http://office.example"; done ;;
"dpkg-deb "*) [ -s "$last" ] && cat "$last" ;;
"dpkg-query "*) [ ! -e "$lab/half" ] && echo "ii  $(cat "$lab/installed")" ;;
"dpkg "*" --configure --pending")
  if [ -e "$lab/half" ] && [ ! -e "$lab/uninstallable-$(cat "$lab/half")" ]; then place "$lab/half" "$lab/installed"; fi ;;
"dpkg "*" --install "*) rm -f "$lab/half" && unpack "$last" ;;
"systemctl stop "*) rm -f "$lab/running" ;;
"systemctl start "*)
  [ ! -e "$lab/half" ] || exit 1
  read -r version <"$lab/installed"
  echo "$version" >"$lab/running"
  [ "$version" != 0.1.0 ] || exit 0
  step
  cp "$lab/migrated.db" "$lab/state/gateway.new"
  rm -f "$lab/state/gateway.db-wal"
  place "$lab/state/gateway.new" "$lab/state/gateway.db"
  step
  [ -e "$lab/own/pending.json" ] || exit 0
  attempt=$(sed 's/.*"attempt": "\([0-9a-f]*\)".*/\1/' "$lab/own/pending.json")
  case $(cat "$lab/behaviour") in
  works) verdict='"passed": true, "served": true, "reason": ""' ;;
  fails) verdict='"passed": false, "served": false, "reason": "database: it is damaged"' ;;
  *) exit 0 ;;
  esac
  echo "{\"attempt\": \"$attempt\", \"version\": \"$version\", $verdict}" >"$lab/state/update/verdict.new"
  place "$lab/state/update/verdict.new" "$lab/state/update/verdict.json"
  step ;;
"systemctl show "*)
  if [ "$(cat "$lab/behaviour")" = crashes ]; then echo ActiveState=activating; echo NRestarts=3
  else echo ActiveState=active; echo NRestarts=0; fi ;;
esac
