# The project's commands. Thin on purpose: scripts/setup prepares the machine, cargo does the work.
# `make` alone lists them.

PORT ?= 8080
DATA ?= ./data
URL ?= http://gateway.localhost:$(PORT)
ARGS ?=

CARGO_TARGET_DIR ?= target
RELEASE := $(CARGO_TARGET_DIR)/release
# Where scripts/setup puts cargo and the checkers: found without a new shell.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cloudtaskhub/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup run demo demo-outage bench test lint fmt clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building needs, or name the command that does
	@scripts/setup

# `exec`: the hub takes the place of the shell, gets Ctrl-C itself and its failure is make's failure.
run: setup ## build and start the hub in one process [PORT=8080] [DATA=./data]
	@cargo build --release --locked -p embedded
	@exec "$(RELEASE)/cloudtaskhub" serve --port "$(PORT)" --data "$(DATA)"

demo: setup ## fill a running hub with a believable team [URL=http://gateway.localhost:8080]
	@cargo build --release --locked -p embedded
	@exec "$(RELEASE)/cloudtaskhub" demo --url "$(URL)"

demo-outage: setup ## show, step by step, that an order accepted during an outage is completed once
	@cargo build --release --locked -p embedded
	@exec "$(RELEASE)/cloudtaskhub" demo-outage

bench: setup ## measure the hub: a table, and a JSON file [ARGS=...]
	@cargo build --release --locked -p embedded -p benchmark
	@exec "$(RELEASE)/cloudtaskhub-bench" $(ARGS)

test: setup ## the whole test suite; no network, no container engine [ARGS="-p project"]
	@cargo test --locked $(or $(ARGS),--workspace)

# The slow hooks (clippy, documentation, supply chain) are of pre-commit's stage pre-push.
lint: ## every check on every file: what .pre-commit-config.yaml lists
	@scripts/setup lint
	@pre-commit run --all-files --show-diff-on-failure
	@pre-commit run --all-files --hook-stage pre-push

fmt: setup ## format the Rust and TOML files
	@cargo fmt --all
	@scripts/setup lint
	@pre-commit run taplo-format --all-files --hook-stage manual

clean: ## remove what was built; keeps ./data
	@cargo clean
