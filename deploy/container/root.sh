#!/usr/bin/env bash
# Makes the root of the image from a binary: Containerfile and assemble.sh both call this, so that what is tested is what is built.
#
# usage: root.sh BINARY DIR    DIR must not be there yet
#
# The binary should be static (`-C target-feature=+crt-static` makes it so). One that is not brings the libraries that it names along: for tests.
set -euo pipefail
binary=$1 root=$2
[ ! -e "$root" ] || { echo "root.sh: $root is there already" >&2; exit 1; }

umask 022
mkdir -p "$root"/{etc/foretop,etc/ssl/certs,usr/local/bin,var/lib/foretop,plugins,tmp}
install -m 0755 "$binary" "$root/usr/local/bin/foretop"
# Names for the one user that there is, whom no password lets in.
echo 'foretop:x:65532:65532::/tmp:/sbin/nologin' >"$root/etc/passwd"
echo 'foretop:x:65532:' >"$root/etc/group"
# Authorities of the public internet, for identity providers and managed clusters.
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  [ -s "$bundle" ] || continue
  install -m 0644 "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
  break
done
[ -s "$root/etc/ssl/certs/ca-certificates.crt" ] || { echo "root.sh: this machine has no certificates of authorities (Debian: apt-get install ca-certificates)" >&2; exit 1; }

libraries=$(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' || true)
for library in $libraries; do install -D -m 0755 "$library" "$root$library"; done
