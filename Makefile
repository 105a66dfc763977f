.DEFAULT_GOAL := help
.PHONY: help setup test check

help: ## What can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

setup: ## Install what is missing: libtorch, redis-server, cargo-nextest
	@deploy/local/setup.sh

test: setup ## Install what is missing and run every test
	cargo test --doc --release --workspace
	cargo nextest run --release --workspace --no-fail-fast

check: setup ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
