#!/usr/bin/env bash
# Prints the path of Debian's etcd (3.4, whose watches have no progress requests, so that the apiserver refuses WatchList).
# It is unpacked into the cache instead of being installed, so that no service starts and root is not needed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
unpacked=$root/.cache/apiserver/debian-etcd
etcd=$unpacked/usr/bin/etcd

if [ ! -x "$etcd" ]; then
  command -v apt-get >/dev/null || { echo "debian-etcd.sh: this needs apt-get" >&2; exit 1; }
  unfinished=$unpacked.unfinished.$$
  trap 'rm -rf "$unfinished"' EXIT
  mkdir -p "$unfinished"
  cd "$unfinished"
  if ! apt-get -q download etcd-server >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "debian-etcd.sh: apt has no lists yet; run apt-get update as root" >&2; exit 1; }
    apt-get -q update >&2
    apt-get -q download etcd-server >&2
  fi
  dpkg-deb -x ./*.deb .
  rm -f ./*.deb
  cd "$root"
  rm -rf "$unpacked"
  mv "$unfinished" "$unpacked"
fi

case $("$etcd" --version | head -1) in
  "etcd Version: 3.4."*) echo "$etcd" ;;
  *) echo "debian-etcd.sh: apt gave $("$etcd" --version | head -1), not 3.4" >&2; exit 1 ;;
esac
