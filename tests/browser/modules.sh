#!/usr/bin/env bash
# The packages of the browser tests, as the lockfile has them, and this folder's scripts beside them. Prints the folder where they are.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modules=$here/../../.cache/browser
mkdir -p "$modules"
if ! cmp -s "$here/package-lock.json" "$modules/package-lock.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$modules/"
  (cd "$modules" && npm ci --ignore-scripts --no-audit --no-fund >&2) || {
    rm -f "$modules/package-lock.json"
    exit 1
  }
fi
cp "$here"/*.mjs "$modules/"
cd "$modules" && pwd
