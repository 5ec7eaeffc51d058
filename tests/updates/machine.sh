#!/bin/sh
# Stands for the machine's programs, by the name that it is called by, in a folder that has all of their state.
lab=$(dirname "$(dirname "$0")")
name=$(basename "$0")
echo "$name $*" >>"$lab/calls"
for last; do :; done
unpack() {
  read -r _ version <"$1"
  echo "$version" >"$lab/half"
  [ ! -e "$lab/uninstallable-$version" ] || { echo "E: Sub-process returned an error code"; exit 100; }
  mv "$lab/half" "$lab/installed"
}
case "$name $*" in
"apt-get "*" update")
  [ ! -e "$lab/no-line" ] || { echo "E: Failed to fetch http://office.example/InRelease"; exit 100; } ;;
"apt-get "*" download "*) cp "$lab/repository/${last#*=}" "sunmi-gateway_${last#*=}_all.deb" ;;
"apt-get "*" install "*) unpack "$last" ;;
"apt-cache "*) cd "$lab/repository" && for version in *; do echo "sunmi-gateway | $version | http://office.example"; done ;;
"dpkg-deb "*) [ -s "$last" ] && cat "$last" ;;
"dpkg-query "*) [ ! -e "$lab/half" ] && echo "ii  $(cat "$lab/installed")" ;;
"dpkg "*" --configure --pending")
  if [ -e "$lab/half" ] && [ ! -e "$lab/uninstallable-$(cat "$lab/half")" ]; then mv "$lab/half" "$lab/installed"; fi ;;
"dpkg "*" --install "*) rm -f "$lab/half" && unpack "$last" ;;
"systemctl stop "*) rm -f "$lab/running" ;;
"systemctl start "*)
  [ ! -e "$lab/half" ] || exit 1
  read -r version <"$lab/installed"
  echo "$version" >"$lab/running"
  [ "$version" != 0.1.0 ] || exit 0
  cp "$lab/migrated.db" "$lab/state/gateway.db"
  rm -f "$lab/state/gateway.db-wal"
  [ -e "$lab/own/pending.json" ] || exit 0
  attempt=$(sed 's/.*"attempt": "\([0-9a-f]*\)".*/\1/' "$lab/own/pending.json")
  case $(cat "$lab/behaviour") in
  works) verdict='"passed": true, "served": true, "reason": ""' ;;
  fails) verdict='"passed": false, "served": false, "reason": "database: it is damaged"' ;;
  *) exit 0 ;;
  esac
  echo "{\"attempt\": \"$attempt\", \"version\": \"$version\", $verdict}" >"$lab/state/update/verdict.new"
  mv "$lab/state/update/verdict.new" "$lab/state/update/verdict.json" ;;
"systemctl show "*)
  if [ "$(cat "$lab/behaviour")" = crashes ]; then echo ActiveState=activating; echo NRestarts=3
  else echo ActiveState=active; echo NRestarts=0; fi ;;
esac
