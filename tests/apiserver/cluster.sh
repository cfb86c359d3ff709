#!/usr/bin/env bash
# One etcd and one kube-apiserver on loopback, with all that belongs to them in one directory.
#
# usage: cluster.sh DIR start [ETCD]    what is missing is made, what is down is started; ETCD is another etcd's binary
#        cluster.sh DIR stop            both, gently
#        cluster.sh DIR kill            kill -9 the apiserver; etcd and the data stay
#        cluster.sh DIR compact         drop every revision of etcd but the newest
#        cluster.sh DIR turn-tokens     new tokens in the kubeconfig; the apiserver knows them from its next start
#        cluster.sh DIR version         what the apiserver says of itself at /version
#
# DIR/kubeconfig has the contexts admin (the current one), writer (system:masters too, for the tests' own writes), and
# alice and bob, who may do nothing until a role binding says so.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 2 ] || { sed -n '4,9s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
umask 077
mkdir -p "$1"
dir=$(cd "$1" && pwd)
command=$2
users=(admin writer alice bob)

die() { echo "cluster.sh: $*" >&2; exit 1; }

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the ports that the kernel gives to outgoing connections: a client that keeps trying a dead server's port could
# otherwise be given that very port, and be connected to itself.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    listening "$port" || { echo "$port"; return; }
  done
}

make_settings() {
  [ ! -s "$dir/settings" ] || return 0
  {
    echo "bin=$("$here/build.sh")"
    echo "other_etcd=${1-}"
    echo "port=$(free_port) etcd_port=$(free_port) peer_port=$(free_port)"
  } >"$dir/settings.new"
  mv "$dir/settings.new" "$dir/settings"
}

make_certificates() {
  [ ! -s "$dir/server.crt" ] || return 0
  local new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 "${new[@]}" -days 7 -subj /CN=e2e-ca -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
  openssl req "${new[@]}" -subj /CN=kube-apiserver -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
  printf '%s\n' 'subjectAltName=IP:127.0.0.1,DNS:localhost' 'extendedKeyUsage=serverAuth' >"$dir/server.ext"
  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$dir/sa.key" 2>/dev/null
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 7 \
    -extfile "$dir/server.ext" -out "$dir/server.crt" 2>/dev/null
}

make_tokens() {
  local user token group
  declare -A tokens
  : >"$dir/tokens.csv"
  for user in "${users[@]}"; do
    token=$(openssl rand -hex 24)
    tokens[$user]=$token
    case $user in admin | writer) group=system:masters ;; *) group=team-$user ;; esac
    echo "$token,$user,uid-$user,$group" >>"$dir/tokens.csv"
  done
  {
    echo "apiVersion: v1"
    echo "kind: Config"
    echo "current-context: admin"
    echo "clusters:"
    echo "- name: e2e"
    echo "  cluster:"
    echo "    server: https://127.0.0.1:$port"
    echo "    certificate-authority-data: $(base64 -w0 "$dir/ca.crt")"
    echo "users:"
    for user in "${users[@]}"; do echo "- {name: $user, user: {token: ${tokens[$user]}}}"; done
    echo "contexts:"
    for user in "${users[@]}"; do echo "- {name: $user, context: {cluster: e2e, user: $user}}"; done
  } >"$dir/kubeconfig.new"
  mv "$dir/kubeconfig.new" "$dir/kubeconfig"
}

# A process id is ours while the program that runs under it names this directory.
running() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/"
}

spawn() { # name command...
  local name=$1
  shift
  # A session of its own, so that an interrupt from the keyboard leaves the order of ending to the trap.
  setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

etcd_is_healthy() {
  { exec 3<>"/dev/tcp/127.0.0.1/$etcd_port"; } 2>/dev/null || return 1
  printf 'GET /health HTTP/1.0\r\n\r\n' >&3
  timeout 3 grep -q '"health":"true"' <&3
}

ask() { # path
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$1" |
    timeout 5 openssl s_client -quiet -verify_quiet -verify_return_error -CAfile "$dir/ca.crt" -connect "127.0.0.1:$port" 2>/dev/null
}

apiserver_is_ready() { ask /readyz | grep -q '^ok'; }

wait_until() { # condition name
  local end=$((SECONDS + 90))
  until "$1"; do
    kill -0 "$(cat "$dir/$2.pid")" 2>/dev/null || { tail -5 "$dir/$2.log" >&2; die "$2 has ended"; }
    [ $SECONDS -lt $end ] || { tail -5 "$dir/$2.log" >&2; die "$2 is not ready after 90 s"; }
    sleep 0.1
  done
}

start_etcd() {
  ! running etcd || return 0
  if [ -n "$other_etcd" ]; then
    local client=http://127.0.0.1:$etcd_port peer=http://127.0.0.1:$peer_port
    spawn etcd "$other_etcd" --name only --data-dir "$dir/etcd" --log-level warn \
      --listen-client-urls "$client" --advertise-client-urls "$client" \
      --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "only=$peer"
  else
    spawn etcd "$bin/etcd" serve --data-dir "$dir/etcd" --client-port "$etcd_port" --peer-port "$peer_port"
  fi
  wait_until etcd_is_healthy etcd
}

start_apiserver() {
  ! running apiserver || return 0
  # There are no controllers: nobody would make the ServiceAccounts that its admission asks for.
  spawn apiserver env GOMEMLIMIT=500MiB "$bin/kube-apiserver" \
    --etcd-servers="http://127.0.0.1:$etcd_port" --etcd-compaction-interval=0 \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$port" \
    --endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file="$dir/server.crt" --tls-private-key-file="$dir/server.key" --client-ca-file="$dir/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$dir/sa.key" --service-account-signing-key-file="$dir/sa.key" \
    --authorization-mode=RBAC --token-auth-file="$dir/tokens.csv" --disable-admission-plugins=ServiceAccount
  wait_until apiserver_is_ready apiserver
}

# The threads of a killed process end one by one, and its port is free only with the last of them: looking at the process
# is not enough to know that another may listen there.
gone() { # name process-id
  local at=$port
  [ "$1" != etcd ] || at=$etcd_port
  ! running "$1" && ! listening "$at" && ! grep -qsE '^State:\s+[^ZX]' "/proc/$2/task/"*/status
}

end() { # signal name
  running "$2" || return 0
  local pid end=$((SECONDS + 15))
  pid=$(cat "$dir/$2.pid")
  kill "-$1" "$pid" 2>/dev/null || true
  until gone "$2" "$pid"; do
    [ $SECONDS -lt $end ] || { kill -KILL "$pid" 2>/dev/null || true; end=$((SECONDS + 15)); }
    sleep 0.05
  done
  rm -f "$dir/$2.pid"
}

[ "$command" != start ] || make_settings "${3-}"
[ -s "$dir/settings" ] || die "nothing was started in $dir"
# shellcheck source=/dev/null
. "$dir/settings"

case $command in
  start)
    make_certificates
    [ -s "$dir/kubeconfig" ] || make_tokens
    start_etcd
    start_apiserver
    ;;
  stop)
    end TERM apiserver
    end TERM etcd
    ;;
  kill) end KILL apiserver ;;
  compact) "$bin/etcd" compact --endpoint "http://127.0.0.1:$etcd_port" ;;
  turn-tokens) make_tokens ;;
  version) ask /version | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p' ;;
  *) die "unknown command $command" ;;
esac
