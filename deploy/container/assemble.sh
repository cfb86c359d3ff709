#!/usr/bin/env bash
# Assembles the image without a daemon: an OCI layout of one layer, the same bytes for the same binary.
# `skopeo copy oci:DIR docker://…` or `podman load` (of a tar of it) take it from there.
#
# usage: assemble.sh BINARY DIR VERSION    DIR must not be there yet
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=$1 dir=$2 version=$3
[ ! -e "$dir" ] || { echo "assemble.sh: $dir is there already" >&2; exit 1; }
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) echo "assemble.sh: no image for $(uname -m)" >&2; exit 1 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$here/root.sh" "$binary" "$work/root"
tar --create --directory "$work/root" --file "$work/layer.tar" --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner .
digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { stat -c %s "$1"; }
diff_id=$(digest "$work/layer.tar")
gzip --no-name "$work/layer.tar"

mkdir -p "$dir/blobs/sha256"
keep() { # file: moves it to where its digest says, and says its digest
  local name
  name=$(digest "$1")
  mv "$1" "$dir/blobs/sha256/$name"
  echo "$name"
}
layer_size=$(size "$work/layer.tar.gz")
layer=$(keep "$work/layer.tar.gz")
cat >"$work/config" <<JSON
{"architecture":"$architecture","os":"linux",
 "config":{"User":"65532:65532","ExposedPorts":{"8080/tcp":{},"8081/tcp":{},"8443/tcp":{}},
  "Env":["PATH=/usr/local/bin:/usr/bin:/bin","SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
  "Entrypoint":["/usr/local/bin/foretop"],"WorkingDir":"/",
  "Labels":{"org.opencontainers.image.title":"foretop","org.opencontainers.image.version":"$version","org.opencontainers.image.licenses":"Apache-2.0"}},
 "rootfs":{"type":"layers","diff_ids":["sha256:$diff_id"]},
 "history":[{"created_by":"deploy/container/assemble.sh"}]}
JSON
config_size=$(size "$work/config")
config=$(keep "$work/config")
cat >"$work/manifest" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
 "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$config_size},
 "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:$layer","size":$layer_size}]}
JSON
manifest_size=$(size "$work/manifest")
manifest=$(keep "$work/manifest")
echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
cat >"$dir/index.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",
 "manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$manifest_size,
  "platform":{"architecture":"$architecture","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"$version"}}]}
JSON
echo "sha256:$manifest"
