#!/usr/bin/env bash
# Lets schemathesis (PyPI) ask a demo whatever docs/openapi.yaml lets one ask, and look for answers that the document does not have.
# Streams are left out, as they do not end. (A 501 says what is another backend's, and is no failure of this one.) FORETOP: a binary to use instead of building one. EXAMPLES: requests per operation.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/target/schemathesis
die() { echo "openapi: $*" >&2; exit 1; }
command -v python3 >/dev/null || die "there is no python3"
if [ ! -x "$venv/bin/st" ]; then
  rm -rf "$venv"
  { python3 -m venv "$venv" && "$venv/bin/pip" --quiet install 'schemathesis>=4.32,<5'; } || die "schemathesis cannot be had from PyPI: the document is NOT checked"
fi
foretop=${FORETOP:-}
if [ -z "$foretop" ]; then
  # With a test beside it, so that the features are those of `make test` and nothing is built twice.
  (cd "$root" && cargo build --quiet --workspace --bins --test manage)
  foretop=$root/target/debug/foretop
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/foretop-openapi.XXXXXX")
env -u FORETOP_FIXTURES FORETOP_MANAGE_LISTEN=127.0.0.1:0 "$foretop" demo --clusters 1 --pods 20 --churn 0 --listen 127.0.0.1:0 >"$work/log" 2>&1 &
demo=$!
trap 'kill $demo 2>/dev/null || true; rm -rf "$work"' EXIT
url=
for _ in $(seq 100); do
  url=$(sed -n 's|.*simulated clusters at \(http://[^ ]*\).*|\1|p' "$work/log")
  [ -z "$url" ] || break
  sleep 0.1
done
[ -n "$url" ] || { cat "$work/log" >&2; exit 1; }
cd "$work"
# Objects that there are, beside those that it makes up.
python3 - "$url" >schemathesis.toml <<'PY'
import json, sys, urllib.request

def first(kind):
    with urllib.request.urlopen(f"{sys.argv[1]}/api/clusters/demo-1/{kind}") as answer:
        return json.load(answer)[kind][0]

def objects(path, kind, row):
    values = {"kind": kind, "namespace": row.get("namespace"), "name": row["name"]}
    given = ", ".join(f'"path.{key}" = "{value}"' for key, value in values.items() if value)
    for part in ["", "/yaml", "/events"]:
        print(f'[[operations]]\ninclude-path = "/api/clusters/{{cluster}}/{{kind}}/{path}{part}"\nparameters = {{ {given} }}\n')

objects("{namespace}/{name}", "pods", first("pods"))
objects("{name}", "nodes", first("nodes"))
PY
"$venv/bin/st" run "$root/docs/openapi.yaml" --url "$url" --exclude-tag streams --max-examples "${EXAMPLES:-10}" \
  --checks "${CHECKS:-status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,missing_required_header}" --phases examples,coverage,fuzzing --seed "${SEED:-1}" --continue-on-failure --no-shrink
