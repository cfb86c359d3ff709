#!/usr/bin/env bash
# Part of run.sh: runs docs/operations.md, and then docs/upgrading.md. YAML blocks that begin with `# NAME.yaml` become that file, `sh` blocks are run in their
# order. The other documents' are run by tests/docs_commands.rs.
#
# usage: docs.sh WORK BIN FORETOP    run.sh's directory, that of helm and kubectl, and the binary
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$1 bin=$2 foretop=$3

mkdir -p "$work/docs" "$work/docs.bin"
ln -s "$bin/helm" "$bin/kubectl" "$work/docs.bin/"
ln -s "$(realpath "$foretop")" "$work/docs.bin/foretop"
ln -s "$root/deploy" "$work/docs/deploy"
cd "$work/docs"
export KUBECONFIG=$work/cluster/kubeconfig HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
export PATH=$work/docs.bin:$PATH
for page in operations.md upgrading.md; do
  awk -v commands="$page.sh" '
    /^```/ { kind = kind == "" ? substr($0, 4) : ""; file = ""; next }
    kind == "yaml" && file == "" { file = $2 }
    kind == "yaml" { print > file }
    # What must fail: `!` alone would be forgiven.
    kind == "sh" && sub(/^! /, "") { $0 = "if " $0 "; then false; fi" }
    kind == "sh" { print > commands }
  ' "$root/docs/$page"
  echo "$(grep -c . "$page.sh") commands of $page"
  if ! bash -euxo pipefail "$page.sh" >"$work/docs.log" 2>&1; then
    echo "docs/$page: a command fails" >&2
    exit 1
  fi
done
