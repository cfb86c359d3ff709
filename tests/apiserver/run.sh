#!/usr/bin/env bash
# The end-to-end run (make e2e): a real kube-apiserver on etcd 3.6, the same with users' rights at random, then on Debian's etcd 3.4, where it
# cannot stream lists; that one with Foretop on epoll instead of io_uring. Needs go and openssl, and apt-get for the last.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-e2e.XXXXXX")
clean() {
  local status=$? cluster
  for cluster in "$work"/*/settings; do
    [ -s "$cluster" ] || continue
    cluster=$(dirname "$cluster")
    if [ "$status" != 0 ]; then
      echo "the end of the apiserver's log:" >&2
      tail -20 "$cluster/apiserver.log" >&2 || true
    fi
    "$here/cluster.sh" "$cluster" stop || true
  done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

run() { # name file test etcd
  echo "== $1"
  "$here/cluster.sh" "$work/$1" start "$4"
  # The line that says which apiserver this is, even where a test fails early.
  echo "real kube-apiserver $("$here/cluster.sh" "$work/$1" version)"
  (cd "$here/../.." && FORETOP_E2E_CLUSTER=$work/$1 timeout 600 \
    cargo test --quiet --test "$2" -- --exact "$3" --nocapture)
  "$here/cluster.sh" "$work/$1" stop
}

"$here/build.sh" >/dev/null
debian_etcd=$("$here/debian-etcd.sh")
run etcd-3.6 e2e_apiserver everything ""
run rights e2e_rights tabs_show_what_the_apiserver_lists_to_their_users ""
MONOIO_FORCE_LEGACY_DRIVER=1 run etcd-3.4 e2e_apiserver without_watch_list "$debian_etcd"
