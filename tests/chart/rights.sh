#!/usr/bin/env bash
# Part of run.sh: the rights that the chart gives, on a real apiserver. They are enough for Foretop to serve the rendered configuration, and no more.
#
# usage: rights.sh WORK BIN FORETOP    run.sh's directory, that of helm and kubectl, and the binary
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$1 bin=$2 foretop=$3
account=system:serviceaccount:foretop:foretop
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true' EXIT
die() { echo "chart: $*" >&2; exit 1; }
kubectl() { "$bin/kubectl" --kubeconfig "$work/cluster/kubeconfig" --cache-dir "$work/kubectl" "$@"; }

install_rights() { # mode
  for template in rbac serviceaccount; do
    "$bin/helm" template foretop "$here/../../deploy/helm/foretop" --namespace foretop --values "$here/values/$1.yaml" --show-only "templates/$template.yaml"
  done | kubectl apply -f - >/dev/null
}
# An authorizer lags behind what was just written.
may() { # yes|no verb resource [arguments...]
  local right=$1 answer tries=0
  shift
  until answer=$(kubectl auth can-i "$@" --as "$account" 2>/dev/null) || true; [ "$answer" = "$right" ]; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || die "may it $*? the apiserver says ${answer:-nothing}, right is $right"
    sleep 0.1
  done
}

echo "== the chart: rights, access.upstream impersonate"
install_rights impersonate
may yes impersonate groups/periscope-tier:read
may no impersonate groups/system:masters
may yes impersonate users/ann@example.com
may no list pods --all-namespaces
may no get secrets --all-namespaces

echo "== the chart: rights, pooled"
kubectl delete clusterrole,clusterrolebinding foretop-foretop >/dev/null
install_rights header
for kind in pods events deployments.apps jobs.batch ingresses.networking.k8s.io persistentvolumes nodes; do
  may yes list "$kind" --all-namespaces
  may yes watch "$kind" --all-namespaces
done
may yes create subjectaccessreviews.authorization.k8s.io
for verb in get list watch; do for kind in secrets configmaps; do may no $verb $kind --all-namespaces; done; done
may yes get pods --all-namespaces
may no get pods --subresource log --all-namespaces
may no delete pods --all-namespaces
may no impersonate users/ann
may no list roles.rbac.authorization.k8s.io --all-namespaces

echo "== the chart: Foretop serves the rendered configuration by those rights"
kubectl create namespace web >/dev/null
# Of its own, since nobody fills in the aggregated role `view` here.
kubectl create role look --namespace web --verb list,watch --resource pods >/dev/null
kubectl create rolebinding team --namespace web --role look --group periscope:web-team >/dev/null
kubectl create --namespace web -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec: {containers: [{name: shop, image: registry.example/shop}]}
YAML
token=$(kubectl create token foretop --namespace foretop)
sed "s|token: .*}}|token: $token}}|" "$work/cluster/kubeconfig" >"$work/account.kubeconfig"
mkdir -p "$work/header.etc/state"
cat >"$work/header.etc/clusters/clusters.yaml" <<YAML
clusters:
  - {name: here, backend: kubeconfig, kubeconfigPath: $work/account.kubeconfig}
YAML
serve() { # log variables...
  local log=$1
  shift
  : >"$log"
  env FORETOP_SERVER_LISTEN=127.0.0.1:0 FORETOP_MANAGE_LISTEN=off FORETOP_LOG_JSON=false FORETOP_AUTH_HEADER_TRUSTED_PEERS=127.0.0.1/32 "$@" \
    "$foretop" serve --config "$work/header.etc/config/foretop.yaml" >"$log" 2>&1 &
  pids+=($!)
  local tries=0
  until port=$(sed -n 's/.*server.started.*[^_]address=127.0.0.1:\([0-9]*\).*/\1/p' "$log") && [ -n "$port" ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || die "Foretop does not start"
    sleep 0.1
  done
}
ask() { # user groups path [arguments...]
  local user=$1 groups=$2 path=$3
  shift 3
  curl -s --max-time 20 -H 'Host: foretop.example' -H "X-Forwarded-User: $user" -H "X-Forwarded-Groups: $groups" "$@" "http://127.0.0.1:$port$path"
}
code() { ask "$@" -o /dev/null -w '%{http_code}'; }
mapfile -t variables < <(sed -n 's/^ *- {name: \(FORETOP_[A-Z_]*\), value: "\(.*\)"}$/\1=\2/p' "$work/header.yaml")
serve "$work/serve.log" "${variables[@]}"
[ "$(code '' '' /readyz)" = 200 ] || die "Foretop is not ready"
# An authorizer lags behind what was just written, and a denial is remembered for 5 s.
tries=0
until [ "$(code ann web-team "/api/clusters/here/pods?namespace=web")" = 200 ] || [ $tries = 100 ]; do tries=$((tries + 1)) && sleep 0.1; done
ask ann web-team "/api/clusters/here/pods?namespace=web" | grep -q '"name":"shop"' || die "ann does not see the pod of her team"
[ "$(code bob none "/api/clusters/here/pods?namespace=web")" = 403 ] || die "bob sees what is not his"
ask ann web-team /api/features | grep -q '"watchStreams":\["pods","events","pvs","pvcs","storageclasses"\]' || die "watchStreams.kinds are not those of the values"

# So many streams of one user, each open until the last was answered.
streams() { # how many
  local asked=() number tries=0
  rm -rf "$work/heads"
  mkdir "$work/heads"
  for number in $(seq "$1"); do
    ask ann web-team "/api/clusters/here/pods/watch?namespace=web" -N -o /dev/null -D "$work/heads/$number" --max-time 120 &
    asked+=("$!")
  done
  until [ "$(cat "$work"/heads/* 2>/dev/null | grep -c '^HTTP/')" = "$1" ] || [ $tries = 900 ]; do tries=$((tries + 1)) && sleep 0.1; done
  kill "${asked[@]}" 2>/dev/null || true
  wait "${asked[@]}" 2>/dev/null || true
  cat "$work"/heads/* | sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' | sort | uniq -c | tr -s ' ' | tr '\n' ';'
}
answers=$(streams 61)
[ "$answers" = " 61 200;" ] || die "watchStreams.perUserLimit 0 is a limit: $answers"
kill "${pids[@]}"
serve "$work/serve-capped.log" FORETOP_WATCH_PER_USER_LIMIT=2
answers=$(streams 3)
[ "$answers" = " 2 200; 1 429;" ] || die "watchStreams.perUserLimit 2 is none: $answers"
