#!/usr/bin/env bash
# Builds kube-apiserver and etcd from this Go module, once per state of the module, and prints the directory they are in.
# The first build downloads a few hundred MB through the Go module proxy and takes about 8 CPU-minutes.
set -euo pipefail
module=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$module/../.." && pwd)

state=$(cd "$module" && sha256sum go.mod go.sum build.sh cmd/*/*.go | sha256sum | cut -c1-16)
bin=$root/.cache/apiserver/$state
if [ -x "$bin/kube-apiserver" ] && [ -x "$bin/etcd" ]; then
  echo "$bin"
  exit
fi

command -v go >/dev/null || { echo "build.sh: go (1.26 or newer) is needed" >&2; exit 1; }
version=$(cd "$module" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${version#v}"
echo "building kube-apiserver $version and etcd (once; some minutes) ..." >&2

# Without these the server says v0.0.0-master, and clients that parse its version stumble.
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
# Built beside its place and renamed, so that an interrupted build leaves nothing that looks whole.
unfinished=$bin.unfinished.$$
trap 'rm -rf "$unfinished"' EXIT
mkdir -p "$unfinished"
(cd "$module" && CGO_ENABLED=0 nice go build -p 2 -trimpath -buildvcs=false -ldflags "$flags" -o "$unfinished/" ./cmd/...) >&2
rm -rf "$bin"
mv "$unfinished" "$bin"
echo "$bin"
