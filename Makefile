# What a maintainer does by hand, under one name each. Nothing here needs more than rustup's cargo, gcc and make, unless it says so.

CARGO ?= cargo
FUZZ_SECONDS ?= 30

.PHONY: help demo test test-sockets e2e chart image fuzz lint deny bench

help: ## Says what there is to make.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Builds, and serves simulated clusters on http://localhost:8080.
	$(CARGO) run --release -- demo

test: ## Unit, property and end-to-end tests against simulated apiservers. FORETOP_FIXTURES adds golden rows.
	$(CARGO) test --workspace

test-sockets: ## Only what goes over real sockets; with MONOIO_FORCE_LEGACY_DRIVER=1 it runs on epoll.
	$(CARGO) test --workspace --test '*'

e2e: ## The same promises against a real kube-apiserver and etcd (needs Go), and a real identity provider and browser (needs node and chromium).
	tests/apiserver/run.sh
	tests/browser/run.sh
	$(MAKE) chart
	tests/container/run.sh

chart: ## The Helm chart: golden files, refusals, a real apiserver's word on it, and Foretop behind nginx and HAProxy (needs Go, nginx, haproxy).
	tests/chart/run.sh

image: ## The container image from a static release build, as an OCI layout in target/image (needs rustup's musl target, and musl-gcc).
	$(CARGO) build --locked --release --bin foretop --target $(shell uname -m)-unknown-linux-musl
	tests/container/run.sh target/$(shell uname -m)-unknown-linux-musl/release/foretop
	rm -rf target/image
	deploy/container/assemble.sh target/$(shell uname -m)-unknown-linux-musl/release/foretop target/image $$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
	deploy/container/sbom.sh $(shell uname -m)-unknown-linux-musl >target/image.cdx.json

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

bench: ## The benchmarks.
	$(CARGO) bench --workspace
