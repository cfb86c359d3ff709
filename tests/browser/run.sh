#!/usr/bin/env bash
# Signing in for real, and the console (part of make e2e): a certified OpenID Connect provider, a Chromium, and Foretop over TLS before a simulated cluster.
# Needs node, npm, openssl and a chromium; where one is missing it says so and tests nothing. FORETOP: a binary to use instead of building one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
for tool in node npm openssl "${chromium:-chromium}"; do
  command -v "$tool" >/dev/null && continue
  echo "!! SKIPPED: signing in through a real provider and browser was NOT tested: there is no $tool (Debian: apt-get install $(basename "$tool"))" >&2
  exit 0
done

work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-sign-in.XXXXXX")
pids=()
clean() {
  local status=$?
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  if [ "$status" != 0 ]; then
    for log in "$work"/*.log; do echo "== the end of $(basename "$log")" >&2; tail -30 "$log" >&2; done
  fi
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

modules=$("$here/modules.sh")

foretop=${FORETOP:-}
if [ -z "$foretop" ]; then
  # The console goes into it.
  make --silent -C "$root" console >"$work/console.log" 2>&1
  (cd "$root" && cargo build --quiet --workspace --bins --test manage)
  foretop=$root/target/debug/foretop
fi

free_port() { node -e 'const s=require("net").createServer().listen(0,"localhost",()=>{console.log(s.address().port);s.close()})'; }
port=$(free_port) provider=$(free_port) sim=$(free_port)
until_says() { # file text
  local tries=0
  until grep -qs "$2" "$1"; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "$1 never said $2" >&2; return 1; }
    sleep 0.1
  done
}

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
openssl rand -base64 48 >"$work/session.key"
printf not-so-secret >"$work/client-secret"
cat >"$work/clusters.yaml" <<YAML
clusters:
  - {name: east, backend: kubeconfig, kubeconfigPath: $work/kubeconfig, kubeconfigContext: sim-1}
YAML
cat >"$work/foretop.yaml" <<YAML
clustersFile: $work/clusters.yaml
server:
  listen: 127.0.0.1:0
  publicUrl: https://localhost:$port
  tls: {listen: "127.0.0.1:$port", certFile: $work/tls.crt, keyFile: $work/tls.key}
auth:
  mode: oidc
  oidc: {issuer: "http://localhost:$provider", clientId: foretop, clientSecretFile: $work/client-secret}
  session: {keys: [$work/session.key], refreshEvery: 10s}
  bearer: {issuer: "http://localhost:$provider", audiences: ["https://localhost:$port"]}
authorization: {mode: raw}
access: {adminGroups: [ops]}
state: {dir: $work/state}
manage: {listen: "off"}
YAML

"$foretop" sim --clusters 1 --pods 300 --churn 5 --listen "127.0.0.1:$sim" --kubeconfig-out "$work/kubeconfig" >"$work/sim.log" 2>&1 &
pids+=($!)
until_says "$work/sim.log" "sim-1 is at"
(cd "$modules" && PORT=$provider FORETOP_URL=https://localhost:$port NODE_EXTRA_CA_CERTS=$work/tls.crt exec node provider.mjs) \
  >"$work/provider.log" 2>&1 &
pids+=($!)
until_says "$work/provider.log" "provider at"
"$foretop" serve --config "$work/foretop.yaml" >"$work/foretop.log" 2>&1 &
pids+=($!)
until_says "$work/foretop.log" "server.started"

(cd "$modules" && CHROMIUM=$chromium FORETOP_URL=https://localhost:$port PROVIDER_URL=http://localhost:$provider timeout 300 node sign-in.mjs)
(cd "$modules" && CHROMIUM=$chromium FORETOP_URL=https://localhost:$port PROVIDER_URL=http://localhost:$provider SIM_URL=http://127.0.0.1:$sim \
  CLUSTERS_FILE=$work/clusters.yaml timeout 600 node console.mjs)
