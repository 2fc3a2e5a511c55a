# `make help` says what each of these does.
.DEFAULT_GOAL := help
.PHONY: help run build where install test bench bench-quick bench-isolation bench-slow prove fmt

# How long `make prove` fuzzes each target, and how long it keeps the gateway under load.
FUZZ_SECONDS ?= 300
SOAK_SECONDS ?= 300

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: build ## builds in release and starts the demo gateway; Ctrl-C stops it
	@cargo run --release --locked --quiet -- demo vcl-like-rules/main.vcl

build: ## the program, in release
	@tests/needs.sh build
	cargo build --release --locked

where: ## where that program lies
	@cargo build --release --locked --quiet --message-format=json | sed -n 's/.*"executable":"\([^"]*\/doorward\)".*/\1/p'

install: build ## program, manual page, completions, unit, documents: below PREFIX (/usr/local), in DESTDIR for packages
	@packaging/install.sh "$$($(MAKE) -s where)"

test: ## everything a change must pass
	@tests/needs.sh test
	cargo test --locked

fmt: ## writes all Rust in one layout
	cargo fmt

bench: ## doorward beside nginx and HAProxy: CPU per request, rates, memory; what rules cost (about ten minutes)
	@tests/needs.sh bench
	@python3 bench/run.py
	@cargo bench --locked --bench language

bench-quick: ## the same in about a minute, roughly
	@tests/needs.sh bench
	@python3 bench/run.py --quick

bench-isolation: build ## what other sites notice of a server that dies, hangs or drips (about a minute)
	@python3 bench/isolation.py

bench-slow: ## what slow readers leave of an old server for everybody else, beside nginx (about three minutes)
	@tests/needs.sh bench
	@python3 bench/slow_readers.py

prove: ## the long proofs: dependencies, all tests in release, change without an outage, minutes of fuzzing and of load
	@tests/needs.sh test
	@tests/needs.sh bench
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check
	cargo test --locked --release
	cargo test --locked --release --test house ten_gibibytes -- --ignored --nocapture
	cargo test --locked --release --test handover -- --ignored --nocapture
	@set -e; targets=$$(ls fuzz/fuzz_targets); for target in $$targets; do \
		target=$${target%.rs}; echo "fuzzing $$target for $(FUZZ_SECONDS) s"; fuzz/run.sh $$target $(FUZZ_SECONDS); \
	done
	@python3 bench/soak.py $(SOAK_SECONDS)
