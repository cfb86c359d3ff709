#!/usr/bin/env bash
# The conformance suite against a demo of its own, or against the server at the address that is given. FORETOP: a binary to use instead of building one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
if [ -n "${1-}" ]; then
  exec node "$here/run.mjs" --url "$1"
fi
foretop=${FORETOP:-}
if [ -z "$foretop" ]; then
  # With a test beside them, so that the features are those of `make test` and nothing is built twice.
  (cd "$root" && cargo build --quiet --workspace --bins --test manage)
  foretop=$root/target/debug/foretop
fi
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
log=$(mktemp)
env -u FORETOP_FIXTURES FORETOP_MANAGE_LISTEN=off "$foretop" demo --listen "127.0.0.1:$port" --clusters 1 --pods 300 >"$log" 2>&1 &
demo=$!
trap 'kill $demo 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 300); do
  node -e "fetch('http://127.0.0.1:$port/readyz').then((r)=>process.exit(r.ok?0:1),()=>process.exit(1))" && break
  kill -0 $demo || { cat "$log" >&2; exit 1; }
  sleep 0.2
done
node "$here/run.mjs" --url "http://127.0.0.1:$port" || { tail -20 "$log" >&2; exit 1; }
