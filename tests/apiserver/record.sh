#!/usr/bin/env bash
# Records what a real apiserver sends for every kind into tests/recordings/, anew.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
into=$here/../recordings
work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-record.XXXXXX")
clean() {
  for cluster in "$work"/*/settings; do
    [ ! -s "$cluster" ] || "$here/cluster.sh" "$(dirname "$cluster")" stop || true
  done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

record() { # test-name
  (cd "$here/../.." && timeout 600 cargo test --quiet --test record_apiserver -- --exact "$1" --nocapture)
}

"$here/cluster.sh" "$work/new" start
export FORETOP_E2E_CLUSTER=$work/new FORETOP_E2E_RECORDINGS=$work/bodies
record record
"$here/cluster.sh" "$work/new" stop

"$here/cluster.sh" "$work/old" start "$("$here/debian-etcd.sh")"
export FORETOP_E2E_CLUSTER=$work/old FORETOP_E2E_REFUSAL=$work/bodies
record record_refusal

# Only whole sets replace what is there.
rm -rf "$into"
mv "$work/bodies" "$into"
du -sh "$into"
