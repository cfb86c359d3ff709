#!/usr/bin/env bash
# Many tabs in a real browser before a real Foretop (part of make e2e): one stream for all, and rows that are right whatever befalls them.
# Needs node, npm and a chromium, nginx and haproxy for some; where one is missing it says so. FORETOP: a binary to use instead of building one.
# LANES: how many scenarios are run side by side.
# usage: run.sh [--long] [SCENARIO…]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
PATH=$PATH:/usr/sbin
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
for tool in node npm "${chromium:-chromium}"; do
  command -v "$tool" >/dev/null && continue
  echo "!! SKIPPED: tabs in a real browser were NOT tested: there is no $tool (Debian: apt-get install $(basename "$tool"))" >&2
  exit 0
done
foretop=${FORETOP:-}
if [ -z "$foretop" ]; then
  # With a test beside them, so that the features are those of `make test` and nothing is built twice.
  (cd "$root" && cargo build --quiet --workspace --bins --test manage)
  foretop=$root/target/debug/foretop
fi
modules=$("$root/tests/browser/modules.sh")
make --no-print-directory -C "$root" web/node_modules/.package-lock.json
cd "$here"
node page/build.mjs "$here/dist"
CHROMIUM=$chromium exec node run.mjs "$foretop" "$here/dist" "$modules" "$@"
