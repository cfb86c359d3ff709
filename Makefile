# What a maintainer does by hand, under one name each. Nothing here needs more than rustup's cargo, gcc and make, unless it says so.

CARGO ?= cargo
FUZZ_SECONDS ?= 30

# How long `make soak` lasts, and what it soaks: a release build, unless a binary is named that is there already.
FORETOP_SOAK ?= 3600
SOAK_LOADTEST ?=

# The scenarios that together take less than five minutes.
LOAD_SHORT ?= steady tabs-10000 views-100 rows-4k lines idle-19000 connect-storm reconnect-storm slow-readers noisy-neighbour
LOAD_REPORTS ?= target/loadtest

.PHONY: help demo console test test-web conformance test-sockets test-tls test-long rolling-restart chaos e2e browser-long chart api-check image fuzz lint deny bench instructions loadtest loadtest-smoke soak

help: ## Says what there is to make.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: console ## Builds, and serves simulated clusters and the console on http://localhost:8080.
	$(CARGO) run --release -- demo

# What the lockfile says, and nothing else; no package's scripts are run.
web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

console: ## Builds the console, which the next build of the binary takes in (needs Node 20 and npm; without them it is left out).
	@if command -v npm >/dev/null; then \
		$(MAKE) web/node_modules/.package-lock.json && cd web && npm run build; \
	else \
		echo "There is no npm: the binary is built without the console (Debian: apt-get install npm)."; \
	fi

test: ## Unit, property and end-to-end tests against simulated apiservers. FORETOP_FIXTURES adds golden rows.
	$(CARGO) test --workspace

test-web: web/node_modules/.package-lock.json ## Types and unit tests of what is in web/ (needs Node 20).
	cd web && npm run --silent build -w @foretop/client && npm run check && npm run test

conformance: web/node_modules/.package-lock.json ## Whether a server speaks docs/protocol.md: a demo of its own, or the one at URL=http://…
	web/conformance/run.sh $(URL)

test-sockets: ## Only what goes over real sockets; with MONOIO_FORCE_LEGACY_DRIVER=1 it runs on epoll.
	$(CARGO) test --workspace --test '*'

test-tls: ## The same with TLS between clients and server, save what is about cleartext.
	FORETOP_TEST_TLS=1 $(CARGO) test --workspace --test '*'

test-long: ## The oracles of rights, for as long as it takes to say something: millions of decisions, and a thousand rounds of tabs.
	FORETOP_LONG=1 $(CARGO) test --workspace --lib access::oracle -- --nocapture
	FORETOP_LONG=1 $(CARGO) test --workspace --test rbac_oracle -- --nocapture

rolling-restart: ## Two replicas behind nginx, restarted one after another under 5,000 tabs: nothing is lost (needs nginx).
	FORETOP_ROLLING=5000 FORETOP_ROLLING_CHURN=5 $(CARGO) test --workspace --test rolling_restart -- --nocapture

chaos: ## Every promise under every fault of a list, hash-checked, with the table of docs/reliability.md (as root, and with libfaketime, all of them). FORETOP_CHAOS=part-of-a-name plays some.
	$(CARGO) test --workspace --test chaos -- --ignored --nocapture

e2e: ## The same promises against a real kube-apiserver and etcd (needs Go), a real identity provider and browser (needs node and chromium); the chart; the image.
	tests/apiserver/run.sh
	tests/browser/run.sh
	web/browser/run.sh
	$(MAKE) chart
	tests/container/run.sh

browser-long: ## Ten minutes in which everything happens to a browser full of live lists, in random order, and each scenario at its longest (needs node, chromium, nginx, haproxy).
	web/browser/run.sh --long

chart: ## The Helm chart: golden files, refusals, a real apiserver's word on it, and Foretop behind nginx and HAProxy (needs Go, nginx, haproxy).
	tests/chart/run.sh

api-check: ## Lets schemathesis (PyPI; needs python3) ask a demo whatever docs/openapi.yaml allows, and look for answers that it does not.
	tests/openapi/run.sh

image: console ## The container image from a static release build, tried and left as an OCI layout in target/image, with its bill of materials.
	target=$$(rustc -vV | sed -n 's/^host: //p') && binary=target/$$target/release/foretop && \
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --locked --release --bin foretop --target $$target && \
	strip --strip-debug -o target/foretop-static $$binary && tests/container/run.sh target/foretop-static && rm -rf target/image && \
	deploy/container/assemble.sh target/foretop-static target/image $$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml) && \
	deploy/container/sbom.sh $$target >target/image.cdx.json

fuzz: ## Fuzzes each target for FUZZ_SECONDS (needs a nightly toolchain and cargo-fuzz).
	targets=$$($(CARGO) +nightly fuzz list) && for target in $$targets; do \
		mkdir -p fuzz/corpus/$$target && \
		$(CARGO) +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

lint: ## Format, clippy and docs, each without a warning.
	$(CARGO) fmt --all --check
	@# Which follows no `mod` that a macro makes, as the registry of kinds does.
	rustfmt --check --edition 2024 src/kind/*.rs src/kind/decode/*.rs
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@# The map of a module links to its rooms, which these pages show.
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items

deny: ## Licences, advisories and sources of every dependency (needs cargo-deny).
	$(CARGO) deny check

bench: ## Times decoding, kind by kind and side by side with others', and the inner loops.
	$(CARGO) bench --workspace --bench decode --bench loops

instructions: ## Counts the instructions of the inner loops (needs valgrind), and fails where one has grown. FORETOP_BLESS=1 takes them as they are.
	$(CARGO) bench --workspace --bench instructions

loadtest: ## Opens very many tabs, and says what they cost and how fresh they are; a page for each scenario is in target/loadtest.
	$(CARGO) build --release --workspace
	failed=0; for scenario in $(LOAD_SHORT); do \
		target/release/foretop-loadtest run loadtest/scenarios/$$scenario.yaml --report $(LOAD_REPORTS)/$$scenario || failed=1; \
	done; exit $$failed

loadtest-smoke: ## Seconds: that every tab shows what the clusters hold, whatever befalls it. Measures nothing.
	@# With a test beside them, so that the features are those of `make test` and nothing is built twice.
	$(CARGO) build --workspace --bins --test manage
	target/debug/foretop-loadtest run loadtest/scenarios/smoke.yaml

soak: ## Keeps a server in a cgroup of 512 MiB under storms and hostile clients for FORETOP_SOAK seconds: never killed, serves on, ends right (root makes the cgroup).
	$(if $(SOAK_LOADTEST),,$(CARGO) build --release --workspace)
	$(or $(SOAK_LOADTEST),target/release/foretop-loadtest) soak --seconds $(FORETOP_SOAK)
