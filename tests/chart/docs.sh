#!/usr/bin/env bash
# Part of run.sh: runs docs/operations.md. YAML blocks that begin with `# NAME.yaml` become that file, `sh` blocks are run in their order.
#
# usage: docs.sh WORK BIN FORETOP    run.sh's directory, that of helm and kubectl, and the binary
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$1 bin=$2 foretop=$3
page=$root/docs/operations.md

mkdir -p "$work/docs" "$work/docs.bin"
ln -s "$bin/helm" "$bin/kubectl" "$work/docs.bin/"
ln -s "$(realpath "$foretop")" "$work/docs.bin/foretop"
ln -s "$root/deploy" "$work/docs/deploy"
cd "$work/docs"
awk '
  /^```/ { kind = kind == "" ? substr($0, 4) : ""; file = ""; next }
  kind == "yaml" && file == "" { file = $2 }
  kind == "yaml" { print > file }
  # What must fail: `!` alone would be forgiven.
  kind == "sh" && sub(/^! /, "") { $0 = "if " $0 "; then false; fi" }
  kind == "sh" { print > "commands.sh" }
' "$page"
echo "$(grep -c . commands.sh) commands of $(basename "$page")"
export KUBECONFIG=$work/cluster/kubeconfig HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
export PATH=$work/docs.bin:$PATH
if ! bash -euxo pipefail commands.sh >"$work/docs.log" 2>&1; then
  echo "docs/operations.md: a command fails" >&2
  exit 1
fi
