#!/usr/bin/env bash
# The chart (part of make e2e): linted, rendered for each mode and compared with tests/chart/golden, misuse refused, accepted by a real kube-apiserver,
# its configuration by Foretop, and its rights enough for Foretop to serve by and no more. Then behind a real nginx and a real HAProxy.
# Needs go, openssl and curl; nginx and haproxy for the last. FORETOP: a binary to use instead of building one.
# FORETOP_BLESS=1 writes tests/chart/golden anew, and ends there.
set -euo pipefail
# Of the tests, and no setting: Foretop would warn of it.
unset FORETOP_FIXTURES
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
chart=$root/deploy/helm/foretop
work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-chart.XXXXXX")
cluster=$work/cluster
pids=()
clean() {
  local status=$?
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  if [ "$status" != 0 ]; then
    for log in "$work"/*.log; do
      [ ! -s "$log" ] || { echo "== the end of $(basename "$log")" >&2; tail -20 "$log" >&2; }
    done
  fi
  [ ! -s "$cluster/settings" ] || "$root/tests/apiserver/cluster.sh" "$cluster" stop || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
die() { echo "chart: $*" >&2; exit 1; }

for tool in go openssl curl; do command -v "$tool" >/dev/null || die "there is no $tool"; done
bin=$("$here/build.sh")
helm() { HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm "$bin/helm" "$@"; }
render() { helm template foretop "$chart" --namespace foretop --kube-version 1.33.0 "$@"; }

echo "== the chart: lint and golden files"
modes=()
for values in "$here"/values/*.yaml; do
  mode=$(basename "$values" .yaml)
  modes+=("$mode")
  helm lint --strict --quiet "$chart" --values "$values" >"$work/lint.log" 2>&1 || die "helm lint, $mode"
  render --values "$values" >"$work/$mode.yaml"
  if [ -n "${FORETOP_BLESS-}" ]; then
    cp "$work/$mode.yaml" "$here/golden/$mode.yaml"
  else
    diff -u "$here/golden/$mode.yaml" "$work/$mode.yaml" || die "golden/$mode.yaml is not what the chart renders: FORETOP_BLESS=1 writes it"
  fi
done
[ -z "${FORETOP_BLESS-}" ] || exit 0

foretop=${FORETOP:-}
if [ -z "$foretop" ]; then
  # With a test beside it, so that the features are those of `make test` and nothing is built twice.
  (cd "$root" && cargo build --quiet --workspace --bins --test manage)
  foretop=$root/target/debug/foretop
fi
# It waits for heartbeats most of the time, so it waits beside the rest.
"$here/proxies.sh" "$foretop" >"$work/proxies.out" 2>&1 &
proxies=$!
pids+=("$proxies")

echo "== the chart: what it refuses"
refused() { # text that must be in the error, arguments...
  local text=$1
  shift
  if render "$@" >"$work/refused.log" 2>&1; then die "accepted: $*"; fi
  grep -qF -- "$text" "$work/refused.log" || die "refused without saying \`$text\`: $*"
}
header=(--values "$here/values/header.yaml")
oidc=(--values "$here/values/oidc.yaml")
refused "/watchStreams/kinds" "${header[@]}" --set watchStreams.kinds=podz
refused "/watchStreams/kinds" "${header[@]}" --set-string 'watchStreams.kinds=pods\,Nodes'
refused "/watchStreams/kinds" "${header[@]}" --set-string 'watchStreams.kinds=pods\,all'
refused "/rbac/kinds" "${header[@]}" --set rbac.kinds=secrets
refused "/watchStreams/perUserLimit" "${header[@]}" --set watchStreams.perUserLimit=-1
refused "/watchStreams/perUserLimit" "${header[@]}" --set-string watchStreams.perUserLimit=many
refused "watchstreams" "${header[@]}" --set watchstreams.kinds=pods
refused "perUserLimmit" "${header[@]}" --set watchStreams.perUserLimmit=5
refused "/config/streams" "${header[@]}" --set config.streams.perUsr=5
refused "/config/streams" "${header[@]}" --set config.streams.perUser=5
refused "/config/auth" "${header[@]}" --set config.auth.oidc.clientSecret=hunter2
refused "/config/auth/mode" "${header[@]}" --set config.auth.mode=oicd
refused "/config/drain/window" "${header[@]}" --set config.drain.window=ten
refused "/clusters/0/backend" "${header[@]}" --set 'clusters[0].name=x' --set 'clusters[0].backend=eks'
refused "/bindAddress" "${header[@]}" --set bindAddress=127.0.0.1
refused "/ingress/preset" "${header[@]}" --set ingress.preset=ngnix
refused "/image" "${header[@]}" --set image.digest=latest
refused "config.auth.mode must be set" --set image.repository=registry.example/foretop
refused "config.authorization.mode must be set" --set image.repository=registry.example/foretop --set config.auth.mode=header
refused "config.server.publicUrl must be set" "${header[@]}" --set config.server.publicUrl=
refused "image.repository must be set" "${header[@]}" --set image.repository=
refused "secrets.session.name must be set" "${oidc[@]}" --set secrets.session.name=
refused "config.auth.oidc.issuer must be set" "${oidc[@]}" --set config.auth.oidc.issuer=
refused "here needs tenants" "${oidc[@]}" --set-json 'clusters=[{"name":"here","backend":"in-cluster"}]'
refused "networkPolicy.to must list" "${oidc[@]}" --set-json networkPolicy.to=[]
refused "needs kubeconfigSecret" "${oidc[@]}" --set-json 'clusters=[{"name":"x","backend":"kubeconfig"}]'
refused "nobody is a user whom one could impersonate" "${header[@]}" --set config.access.upstream=impersonate --set config.authorization.mode=shared
refused "rbac.impersonate.users must list" "${header[@]}" --set config.access.upstream=impersonate
refused "rbac.impersonate.groups must list" "${header[@]}" --set config.access.upstream=impersonate --set rbac.impersonate.anyUser=true
refused "networkPolicy.metricsFrom must say" "${header[@]}" --set serviceMonitor.enabled=true
refused "tls.clientCa needs" "${header[@]}" --set tls.clientCa.secretName=ca
# All that the kinds grammar takes, the schema takes.
for kinds in all none off ' ' pods 'core,pods' ' pods , networking ,,pvs,'; do
  render "${header[@]}" --set-json "watchStreams.kinds=\"$kinds\"" >/dev/null || die "refused: \`$kinds\`"
done

echo "== the chart: what it renders"
render "${header[@]}" --set prometheusRule.enabled=true --set prometheusRule.labels.release=prometheus --show-only templates/prometheusrule.yaml >"$work/rules.yaml"
rules=$(grep -c -- '- alert: ' "$root/deploy/alerts/foretop.yaml")
[ "$(grep -cE -- '^ +(- )?alert: ' "$work/rules.yaml")" = "$rules" ] || die "the chart does not render the $rules alerts of deploy/alerts"
grep -qF 'release: prometheus' "$work/rules.yaml" || die "the PrometheusRule has not the labels that it was given"
has() { grep -qF -- "$2" "$work/$1.yaml" || die "$1 has no \`$2\`"; }
has_not() { ! grep -qF -- "$2" "$work/$1.yaml" || die "$1 has \`$2\`"; }
# The interface of the contract's chart: the variable of the kinds only where they are said; that of the cap always, so that 0 switches it off.
has header '{name: FORETOP_WATCH_STREAMS, value: "core, storage"}'
has header '{name: FORETOP_WATCH_PER_USER_LIMIT, value: "0"}'
has_not dev FORETOP_WATCH_STREAMS
has dev '{name: FORETOP_WATCH_PER_USER_LIMIT, value: "60"}'
# 15 s + 90 s + 15 s for the last records.
has oidc "terminationGracePeriodSeconds: 120"
has dev "listen: 127.0.0.1:8080"
has_not dev subjectaccessreviews
has_not shared "kind: ClusterRole"
has shared "automountServiceAccountToken: false"
for mode in "${modes[@]}"; do has_not "$mode" "sessionAffinity: ClientIP"; done

echo "== the chart: a real apiserver"
"$root/tests/apiserver/cluster.sh" "$cluster" start
echo "real kube-apiserver $("$root/tests/apiserver/cluster.sh" "$cluster" version)"
kubectl() { "$bin/kubectl" --kubeconfig "$cluster/kubeconfig" --cache-dir "$work/kubectl" "$@"; }
crd() { # module@version file
  local dir
  dir=$(cd "$here" && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  [ -n "$dir" ] || die "the module $1 cannot be had"
  kubectl apply --server-side -f "$dir/$2" >/dev/null
}
crd github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml
crd sigs.k8s.io/gateway-api@v1.4.1 config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
kubectl wait --for condition=established --timeout 60s crd/servicemonitors.monitoring.coreos.com crd/httproutes.gateway.networking.k8s.io >/dev/null

echo "== the chart: docs/operations.md and docs/upgrading.md, as an operator who has nothing yet"
"$here/docs.sh" "$work" "$bin" "$foretop"
helm uninstall foretop --namespace foretop --kubeconfig "$cluster/kubeconfig" >/dev/null

echo "== the chart: what a real apiserver says of each mode"
kubectl label namespace foretop pod-security.kubernetes.io/enforce=restricted >/dev/null

workload() { grep -qx 'kind: StatefulSet' "$work/$1.yaml" && echo statefulset || echo deployment; }
for mode in "${modes[@]}"; do
  kubectl apply --dry-run=server --validate=strict -f "$work/$mode.yaml" >"$work/dry-run.log" 2>&1 || die "the apiserver refuses $mode"
  ! grep -i warning "$work/dry-run.log" || die "the apiserver warns of $mode"
  # A workload is not held against the namespace's pod security, its pods are.
  spec=$(render --values "$here/values/$mode.yaml" --show-only templates/workload.yaml |
    kubectl apply --dry-run=server -f - -o 'jsonpath={.spec.template.spec}')
  # The volumes of claims come with the set.
  spec=${spec/'"volumes":['/'"volumes":[{"name":"state-of-the-set","emptyDir":{}},'}
  [ "$(workload "$mode")" = deployment ] || spec=${spec/state-of-the-set/state}
  echo "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\",\"namespace\":\"foretop\"},\"spec\":$spec}" >"$work/pod.json"
  kubectl create --dry-run=server -f "$work/pod.json" >"$work/pod.log" 2>&1 || die "the pod of $mode is refused"
done
kubectl apply --dry-run=server --validate=strict -f "$root/deploy/rbac" >"$work/rbac.log" 2>&1 || die "deploy/rbac is refused"

echo "== the chart: its configuration, read by Foretop"
# What the pod would find in /etc/foretop, below a directory of the test.
unpack() { # mode
  local etc=$work/$1.etc
  mkdir -p "$etc/config" "$etc/clusters"
  file() { # mode name
    render --values "$here/values/$1.yaml" --show-only templates/configmaps.yaml |
      kubectl apply --dry-run=server -f - -o "jsonpath={.items[*].data.$2\\.yaml}" |
      sed "s|/etc/foretop|$etc|g; s|/var/lib/foretop|$etc/state|"
  }
  file "$1" foretop >"$etc/config/foretop.yaml"
  file "$1" clusters >"$etc/clusters/clusters.yaml"
}
environment() { # mode
  sed -n 's/^ *- {name: \(FORETOP_[A-Z_]*\), value: "\(.*\)"}$/\1=\2/p' "$work/$1.yaml"
}
for mode in "${modes[@]}"; do
  unpack "$mode"
  mapfile -t variables < <(environment "$mode")
  env "${variables[@]}" "$foretop" check --config "$work/$mode.etc/config/foretop.yaml" >"$work/check.log" || die "foretop check, $mode"
  grep -q "all good" "$work/check.log" || die "foretop check says nothing of $mode"
  ! grep "warning" "$work/check.log" || die "foretop check warns of $mode"
  echo "$mode: $(tail -1 "$work/check.log")"
done

"$here/rights.sh" "$work" "$bin" "$foretop"
echo "== the chart: deploy/proxy, behind real proxies"
pids=()
wait "$proxies" || { cat "$work/proxies.out" >&2; die "Foretop behind proxies"; }
cat "$work/proxies.out"
