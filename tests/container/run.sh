#!/usr/bin/env bash
# The image: assembled without a daemon, twice with the same bytes; its layout held against its own digests; its root unpacked, mounted read-only and
# run as the image's user, which serves and drains. And the bill of materials.
# Needs root or user namespaces, and one of jq, node and python3 to read JSON with; runc and root for seccomp.
#
# usage: run.sh [BINARY]    one that must be static, as `make image` gives it; else FORETOP, or a debug build, with its shared libraries
set -euo pipefail
# Of the tests, and no setting: Foretop would warn of it.
unset FORETOP_FIXTURES
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
container=$root/deploy/container
work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-container.XXXXXX")
pid=
simulation=
clean() {
  local status=$?
  for process in $pid $simulation; do kill "$process" 2>/dev/null || true; done
  if [ "$status" != 0 ] && [ -s "$work/log" ]; then tail -20 "$work/log" >&2; fi
  wait
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
die() { echo "container: $*" >&2; exit 1; }

json() { # expression file: a value out of a JSON file, written as a path such as .layers[0].digest
  if command -v jq >/dev/null; then
    jq -r "$1" "$2"
  elif command -v node >/dev/null; then
    node -e 'const v=JSON.parse(require("fs").readFileSync(process.argv[2]));console.log(eval("v"+process.argv[1]))' "$1" "$2"
  elif command -v python3 >/dev/null; then
    python3 -c 'import json,re,sys
value = json.load(open(sys.argv[2]))
for name, number in re.findall(r"\.([A-Za-z]+)|\[(\d+)\]", sys.argv[1]): value = value[name] if name else value[int(number)]
print(value)' "$1" "$2"
  else
    die "there is none of jq, node and python3"
  fi
}

binary=${1:-${FORETOP:-}}
if [ -z "$binary" ]; then
  # With a test beside it, so that the features are those of `make test` and nothing is built twice.
  (cd "$root" && cargo build --quiet --workspace --bins --test manage)
  binary=$root/target/debug/foretop
fi
# Figures for debuggers are no part of an image.
strip --strip-debug -o "$work/foretop" "$binary"

echo "== the image: assembled, and the same bytes again"
digest=$("$container/assemble.sh" "$work/foretop" "$work/image" test)
again=$("$container/assemble.sh" "$work/foretop" "$work/again" test)
[ "$digest" = "$again" ] || die "two images of one binary differ"
for blob in "$work"/image/blobs/sha256/*; do
  [ "$(sha256sum "$blob" | cut -d' ' -f1)" = "$(basename "$blob")" ] || die "a blob is not what its digest says"
done
blob() { # descriptor file: the blob that it names, of the size that it says
  local name file
  name=$(json "$1.digest" "$2")
  file=$work/image/blobs/sha256/${name#sha256:}
  [ "$(json "$1.size" "$2")" = "$(stat -c %s "$file")" ] || die "$1 has another size"
  echo "$file"
}
manifest=$(blob '.manifests[0]' "$work/image/index.json")
config=$(blob .config "$manifest")
layer=$(blob '.layers[0]' "$manifest")
[ "$(json .rootfs.diff_ids[0] "$config" 2>/dev/null || json '.rootfs["diff_ids"][0]' "$config")" = "sha256:$(gzip -dc "$layer" | sha256sum | cut -d' ' -f1)" ] ||
  die "the layer is not the one of the configuration"
user=$(json .config.User "$config")
[ "$user" = 65532:65532 ] || die "the image's user is $user"
echo "$digest, $(stat -c %s "$layer") bytes"

echo "== the image: its root"
mkdir "$work/root"
tar --extract --gzip --file "$layer" --directory "$work/root"
[ -z "$(find "$work/root" -type f -perm /6022)" ] || die "files that others may write, or that give their owner's rights"
[ ! -e "$work/root/bin/sh" ] || die "there is a shell"
libraries=$(ldd "$binary" 2>/dev/null | grep -c '=>' || true)
[ $# = 0 ] || [ "$libraries" = 0 ] || die "$binary needs shared libraries"
echo "shared libraries: $libraries"

echo "== the image: run as its user, on a read-only root"
# Where a pod has its ConfigMap and its emptyDir.
mkdir "$work/mounts" "$work/state"
cat >"$work/mounts/foretop.yaml" <<'YAML'
clustersFile: /etc/foretop/clusters.yaml
server: {listen: "127.0.0.1:PORT"}
manage: {listen: "off"}
auth: {mode: dev}
audit: {file: /var/lib/foretop/audit.json}
drain: {lame: 0s, window: 0s}
YAML
port=$((20000 + RANDOM % 6000)) sim=$((26000 + RANDOM % 6000))
sed -i "s/PORT/$port/" "$work/mounts/foretop.yaml"
# A cluster that is found by its name: without a libc beside it the binary has to resolve that by itself.
echo 'clusters: [{name: east, backend: kubeconfig, kubeconfigPath: /etc/foretop/kubeconfig}]' >"$work/mounts/clusters.yaml"
"$work/foretop" sim --clusters 1 --pods 5 --churn 0 --listen "127.0.0.1:$sim" --kubeconfig-out "$work/kubeconfig" >"$work/sim.log" 2>&1 &
simulation=$!
tries=0
until grep -q 'sim-1 is at' "$work/sim.log"; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || die "no simulated cluster"
  sleep 0.1
done
sed "s|//127.0.0.1:|//cluster.test:|" "$work/kubeconfig" >"$work/mounts/kubeconfig"
printf '127.0.0.1 localhost cluster.test\n' >"$work/root/etc/hosts"
chmod -R a+rX "$work"
chmod 0777 "$work/state"
cat >"$work/enter" <<'SH'
set -e
root=$1 mounts=$2 state=$3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$mounts" "$root/etc/foretop"
mount --bind "$state" "$root/var/lib/foretop"
exec chroot ${4:+--userspec="$4"} "$root" /usr/local/bin/foretop serve --config /etc/foretop/foretop.yaml
SH
if [ "$(id -u)" = 0 ]; then
  unshare --mount sh "$work/enter" "$work/root" "$work/mounts" "$work/state" "$user" >"$work/log" 2>&1 &
else
  unshare --user --map-root-user --mount sh "$work/enter" "$work/root" "$work/mounts" "$work/state" "" >"$work/log" 2>&1 &
fi
pid=$!
answer() { { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null && printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3 && timeout 5 cat <&3; }
tries=0
until answer /healthz | grep -q ok; do
  kill -0 "$pid" 2>/dev/null || die "it has ended"
  tries=$((tries + 1))
  [ $tries -lt 200 ] || die "it serves no /healthz"
  sleep 0.1
done
if [ "$(id -u)" = 0 ]; then
  [ "$(stat -c %u:%g "/proc/$pid")" = "$user" ] || die "it runs as $(stat -c %u:%g "/proc/$pid")"
fi
answer /readyz | grep -q ' 200 ' || die "it is not ready"
tries=0
until answer /api/clusters/east/pods | grep -q '"pods":\[{'; do
  tries=$((tries + 1))
  [ $tries -lt 12 ] || die "it does not find a cluster by its name"
done
kill "$pid"
wait "$pid" || die "it does not end in order"
pid=
grep -o 'server.started.*' "$work/log" | head -1

echo "== the image: under the seccomp profile of deploy/seccomp, and under one without io_uring"
# What a node does with a pod, by the runtime that it does it with.
run_under() { # profile driver
  cat >"$work/config.json" <<JSON
{"ociVersion":"1.0.2","root":{"path":"root","readonly":true},
 "process":{"user":{"uid":${user%:*},"gid":${user#*:}},"cwd":"/","noNewPrivileges":true,"capabilities":{},"env":["PATH=/usr/local/bin"],
  "args":["/usr/local/bin/foretop","serve","--config","/etc/foretop/foretop.yaml"]},
 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
  {"destination":"/etc/foretop","type":"bind","source":"$work/mounts","options":["rbind","ro"]},
  {"destination":"/var/lib/foretop","type":"bind","source":"$work/state","options":["rbind"]}],
 "linux":{"namespaces":[{"type":"pid"},{"type":"mount"}],"seccomp":$(cat "$1")}}
JSON
  : >"$work/log"
  (cd "$work" && exec runc run --bundle "$work" "foretop-test-$$-$2") >"$work/log" 2>&1 &
  pid=$!
  local tries=0
  until grep -q 'server.started' "$work/log"; do
    kill -0 "$pid" 2>/dev/null || die "it does not start"
    tries=$((tries + 1))
    [ $tries -lt 200 ] || die "it does not start"
    sleep 0.1
  done
  grep -q "driver=\"$2\"" "$work/log" || die "with $(basename "$1") it runs on $(grep -o 'driver=.*' "$work/log"), not on $2"
  answer /healthz | grep -q ok || die "on $2 it serves no /healthz"
  kill "$pid"
  wait "$pid" || die "on $2 it does not end in order"
  pid=
  echo "$(basename "$1"): $2"
}
if ! command -v runc >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "!! SKIPPED: the image under seccomp was NOT tested: it needs root and runc (Debian: apt-get install runc)" >&2
else
  run_under "$root/deploy/seccomp/foretop.json" io_uring
  sed 's/"io_uring_[a-z]*"/"getpid"/' "$root/deploy/seccomp/foretop.json" >"$work/without-io_uring.json"
  run_under "$work/without-io_uring.json" epoll
fi

echo "== the bill of materials"
"$container/sbom.sh" >"$work/sbom.json"
[ "$(json .specVersion "$work/sbom.json")" = 1.5 ] || die "no CycloneDX"
crates=$(grep -c '"purl":"pkg:cargo/' "$work/sbom.json")
[ "$crates" -gt 50 ] || die "only $crates crates"
for crate in monoio rustls ring mimalloc; do grep -q "\"pkg:cargo/$crate@" "$work/sbom.json" || die "no $crate among them"; done
# What tests are made of is not shipped.
! grep -q '"pkg:cargo/proptest@' "$work/sbom.json" || die "it lists what only tests use"
packages=$(grep -c '"purl":"pkg:npm/' "$work/sbom.json" || true)
if [ -f "$root/web/console/dist/index.html" ]; then
  for package in react react-dom %40tanstack/react-table; do grep -q "\"pkg:npm/$package@" "$work/sbom.json" || die "no $package among them"; done
  ! grep -q '"pkg:npm/vite@' "$work/sbom.json" || die "it lists what only builds the console"
else
  [ "$packages" = 0 ] || die "it lists packages of a console that is not there"
fi
echo "$crates crates, $packages npm packages"
