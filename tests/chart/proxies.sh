#!/usr/bin/env bash
# Two replicas behind a real nginx and a real HAProxy, with the configurations of deploy/proxy: events come as they happen, a quiet stream lives on its
# heartbeats, ids come through, nobody can say that they are somebody else, and a replica that ends loses no request and no tab.
# Needs nginx, haproxy and curl; where a proxy is missing it says so and leaves it out.
#
# usage: proxies.sh FORETOP
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
foretop=$1
PATH=$PATH:/usr/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-proxies.XXXXXX")
pids=()
clean() {
  local status=$?
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  if [ "$status" != 0 ]; then
    for log in "$work"/*.log; do echo "== the end of $(basename "$log")" >&2; tail -20 "$log" >&2; done
  fi
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
die() { echo "chart: $*" >&2; exit 1; }

proxies=()
for proxy in nginx haproxy; do
  if command -v $proxy >/dev/null; then
    proxies+=("$proxy")
  else
    echo "!! SKIPPED: Foretop behind $proxy was NOT tested: there is none (Debian: apt-get install $proxy)" >&2
  fi
done
[ ${#proxies[@]} -gt 0 ] || exit 0

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}
eventually() { # seconds command...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
ask() { # port path [arguments...]
  local at=$1 path=$2
  shift 2
  curl -s --max-time 10 -H 'Host: foretop.example' "$@" "http://127.0.0.1:$at$path"
}
code() { ask "$@" -o /dev/null -w '%{http_code}'; }
says() { [ "$(code "$2" "$3" "${@:4}")" = "$1" ]; }
heard() { [ "$(grep -c "$2" "$1")" -ge "$3" ]; }

port=$(free_port) other=$(free_port) sim=$(free_port)
cat >"$work/clusters.yaml" <<YAML
clusters:
  - {name: east, backend: kubeconfig, kubeconfigPath: $work/kubeconfig, kubeconfigContext: sim-1}
YAML
# HAProxy learns within 4 s that a replica is not ready any more.
cat >"$work/foretop.yaml" <<YAML
clustersFile: $work/clusters.yaml
server: {publicUrl: "https://foretop.example", trustedProxies: [127.0.0.1/32]}
auth: {mode: header, header: {trustedPeers: [127.0.0.1/32]}}
authorization: {mode: shared}
drain: {lame: 6s, window: 1s}
watch: {prewarm: ["east/pods"]}
manage: {listen: "off"}
YAML
"$foretop" sim --clusters 1 --pods 20 --churn 0 --listen "127.0.0.1:$sim" --kubeconfig-out "$work/kubeconfig" >"$work/sim.log" 2>&1 &
pids+=($!)
eventually 30 grep -qs "sim-1 is at" "$work/sim.log" || die "no simulated cluster"
start_replica() { # port
  FORETOP_SERVER_LISTEN=127.0.0.1:$1 "$foretop" serve --config "$work/foretop.yaml" >"$work/foretop-$1.log" 2>&1 &
  pids+=($!)
  eventually 30 says 200 "$1" /readyz || die "Foretop is not ready"
}
start_replica "$port"
ending=$!
start_replica "$other"

# Each twice: as it is, and with ann signed in where the configuration says that a user goes.
start_nginx() { # name port user
  sed -e "s|listen 80;|listen 127.0.0.1:$2;|; s|server 127.0.0.1:8080\(.*\)|server 127.0.0.1:$port\1 server 127.0.0.1:$other\1|; s|X-Forwarded-User \"\"|X-Forwarded-User \"$3\"|" \
    "$root/deploy/proxy/nginx.conf" >"$work/$1.site"
  cat >"$work/$1.conf" <<CONF
daemon off;
pid $work/$1.pid;
error_log $work/$1.log;
events {}
http {
  access_log off;
  client_body_temp_path $work/$1.body; proxy_temp_path $work/$1.proxy; fastcgi_temp_path $work/$1.f; uwsgi_temp_path $work/$1.u; scgi_temp_path $work/$1.s;
  include $work/$1.site;
}
CONF
  nginx -c "$work/$1.conf" -e "$work/$1.log" >"$work/$1.out.log" 2>&1 &
  pids+=($!)
}
start_haproxy() { # name port user
  sed -e "s|bind :80|bind 127.0.0.1:$2|; s|server a 127.0.0.1:8080|server a 127.0.0.1:$port\n    server b 127.0.0.1:$other|" "$root/deploy/proxy/haproxy.cfg" >"$work/$1.cfg"
  [ -z "$3" ] || sed -i "s|http-request del-header X-Forwarded-User|http-request set-header X-Forwarded-User $3|" "$work/$1.cfg"
  haproxy -db -f "$work/$1.cfg" >"$work/$1.log" 2>&1 &
  pids+=($!)
}
streams=()
for proxy in "${proxies[@]}"; do
  as_it_is=$(free_port)
  start_$proxy $proxy "$as_it_is" ""
  signed_in=$(free_port)
  start_$proxy $proxy-ann "$signed_in" ann
  eventually 20 answers "$as_it_is" && eventually 20 answers "$signed_in" || die "$proxy does not start"
  eventually 20 says 200 "$signed_in" /readyz || die "no way through $proxy"
  # From a trusted peer, so it is the proxy that has to take a client's own words away.
  for header in 'X-Forwarded-User: eve' 'x-forwarded-user: eve'; do
    says 401 "$as_it_is" /api/whoami -H "$header" || die "behind $proxy anybody can say who they are"
  done
  ask "$signed_in" /api/whoami -H 'X-Forwarded-User: eve' | grep -q '"ann"' || die "behind $proxy ann is not ann"
  ask "$signed_in" "/api/clusters/east/pods/watch" -N --max-time 100 -D "$work/$proxy.head" >"$work/$proxy.stream" &
  pids+=($!)
  streams+=("$proxy $signed_in")
done

# Nothing else happens in this cluster, so what comes was not pushed out by what came behind it.
for stream in "${streams[@]}"; do
  read -r proxy at <<<"$stream"
  eventually 10 grep -q '^event: snapshot' "$work/$proxy.stream" || die "$proxy holds the snapshot back"
  grep -qi '^content-type: text/event-stream' "$work/$proxy.head" || die "$proxy makes another type of it"
  id=$(sed -n 's/^id: //p' "$work/$proxy.stream" | tail -1)
  ask "$at" "/api/clusters/east/pods/watch" -N --max-time 3 -H "Last-Event-ID: $id" >"$work/$proxy.resumed" || true
  grep -q '^event: ' "$work/$proxy.resumed" || die "behind $proxy a resumed stream gets nothing"
  ! grep -q '^event: snapshot' "$work/$proxy.resumed" || die "$proxy loses Last-Event-ID"
done
for stream in "${streams[@]}"; do
  read -r proxy _ <<<"$stream"
  eventually 60 heard "$work/$proxy.stream" '^: ping' 2 || die "a quiet stream does not live behind $proxy"
  echo "behind $($proxy -v 2>&1 | head -1): snapshot, resume, 2 heartbeats"
done

# One replica ends, as in an upgrade. Of a proxy's tabs each replica has some.
for stream in "${streams[@]}"; do
  read -r proxy at <<<"$stream"
  for tab in 1 2 3 4; do
    ask "$at" "/api/clusters/east/pods/watch" -N --max-time 100 >"$work/$proxy.tab.$tab" &
    pids+=($!)
  done
  for tab in 1 2 3 4; do eventually 10 grep -q '^event: snapshot' "$work/$proxy.tab.$tab" || die "a tab behind $proxy gets nothing"; done
done
kill "$ending"
requests=0
while kill -0 "$ending" 2>/dev/null; do
  for stream in "${streams[@]}"; do
    read -r proxy at <<<"$stream"
    says 200 "$at" /api/clusters/east/pods || die "behind $proxy a request is lost while a replica ends"
    requests=$((requests + 1))
  done
done
for stream in "${streams[@]}"; do
  read -r proxy at <<<"$stream"
  told=0
  for tab in 1 2 3 4; do
    grep -q '^event: server_shutdown' "$work/$proxy.tab.$tab" || continue
    told=$((told + 1))
    id=$(sed -n 's/^id: //p' "$work/$proxy.tab.$tab" | tail -1)
    ask "$at" "/api/clusters/east/pods/watch" -N --max-time 2 -H "Last-Event-ID: $id" >"$work/$proxy.moved" || true
    grep -q '^event: ' "$work/$proxy.moved" || die "behind $proxy a tab that moves gets nothing"
    ! grep -q '^event: snapshot' "$work/$proxy.moved" || die "behind $proxy a tab that moves has to begin anew"
  done
  [ $told -gt 0 ] || die "behind $proxy no tab was on the replica that ended"
  echo "behind $proxy: a replica ended, $told of 4 tabs were told and went on at the other"
done
echo "$requests requests meanwhile, none lost"
