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
.PHONY: help setup run demo demo-outage bench test n-1 lint fmt clean integration e2e \
  build build-one push scan digests swarm-init secrets stackctl deploy up rollback releases diff status logs stop start destroy backup restore test-stack

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

# What a rolling update and a rollback rely on.
n-1: setup ## the tests of the release before on this one's schema and events [PREVIOUS=commit] [BINARIES=folder]
	@scripts/n-1 $(PREVIOUS)

# The slow hooks (clippy, documentation, supply chain) are of pre-commit's stage pre-push.
lint: ## every check on every file: what .pre-commit-config.yaml lists
	@scripts/setup lint
	@pre-commit run --all-files --show-diff-on-failure
	@pre-commit run --all-files --hook-stage pre-push

fmt: setup ## format the Rust and TOML files
	@cargo fmt --all
	@scripts/setup lint
	@pre-commit run taplo-format --all-files --hook-stage manual

clean: ## remove what was built, and the images; keeps ./data
	@cargo clean
	@if command -v docker >/dev/null; then scripts/images clean; fi

# --- the whole of it, on a Docker engine: CONTRIBUTING.md
integration: ## the acceptance suite on PostgreSQL and Kafka, in containers [TAG=ready images]
	@scripts/integration

# With the features that `make test` builds with: most of it is there.
e2e: setup ## the stack on a real Swarm: acceptance suite and outages [TAG=latest] [HTTP_PORT=80] [ARGS=...]
	@cargo build --locked --workspace --no-default-features --bin cloudtaskhub-e2e --bin cloudtaskhub-faulty --bin stackctl
	@exec "$(CARGO_TARGET_DIR)/debug/cloudtaskhub-e2e" $(ARGS)

# --- on Docker Swarm: docs/vps-setup.md, docs/operations.md. Variables reach the scripts as environment.
export IMAGE_PREFIX TAG BINARIES BUILD_FLAGS STACK ENV DOMAIN ACME_EMAIL TLS OVERLAYS WAIT VOLUMES YES STACKCTL
# The release tool: docs/releases.md. A machine without Rust names one that is there: STACKCTL=/usr/local/bin/stackctl
ifndef STACKCTL
STACKCTL := $(RELEASE)/stackctl
RELEASE_TOOL := stackctl
endif

build: ## build the images of all services [TAG=latest] [IMAGE_PREFIX=cloudtaskhub]
	@scripts/images build

build-one: ## build the image of one service [SERVICE=auth]
	@scripts/images build "$(SERVICE)"

push: ## push the images to the registry that IMAGE_PREFIX names
	@scripts/images push

scan: ## look for known vulnerabilities in the images (Trivy)
	@scripts/images scan

digests: ## sizes of the images, and what tells whether two builds are the same
	@scripts/images digests

swarm-init: ## prepare this machine for the stack: Swarm, network, secrets, labels
	@scripts/stack swarm-init

secrets: $(if $(ROTATE),$(RELEASE_TOOL)) ## make the secrets that are missing [ROTATE=name: a new value for one]
	@scripts/secrets $(if $(ROTATE),rotate "$(ROTATE)",make)

stackctl: setup
	@cargo build --release --locked --quiet -p stackctl

deploy: $(RELEASE_TOOL) ## release a tag; watched, tested, recorded, undone if it fails [TAG=latest] [ENV=production] [ARGS=--dry-run]
	@"$(STACKCTL)" deploy $(ARGS)

up: deploy ## the same: there is one way to deploy

rollback: $(RELEASE_TOOL) ## go back to the last release that succeeded, as it was [TAG=x] [ARGS=--dry-run]
	@"$(STACKCTL)" rollback $(if $(TAG),--tag "$(TAG)") $(ARGS)

releases: $(RELEASE_TOOL) ## what was released: tag, when, who, how long, result, why
	@"$(STACKCTL)" releases $(ARGS)

diff: $(RELEASE_TOOL) ## what a deploy would change [TAG=latest] [ENV=production]
	@"$(STACKCTL)" diff $(ARGS)

status: $(RELEASE_TOOL) ## release, services, replicas, versions, health, consumer lag, disk
	@"$(STACKCTL)" status $(ARGS)

logs: ## follow the log of a service [SERVICE=auth]
	@scripts/stack logs "$(SERVICE)"

stop: ## scale the stack to nothing; data and settings stay
	@scripts/stack stop

start: $(RELEASE_TOOL) ## scale it back
	@scripts/stack start

destroy: ## remove the stack, after a question; keeps data [VOLUMES=1: not]
	@scripts/stack destroy

backup: ## back up all databases [TO=./backups]
	@scripts/backup save "$(or $(TO),./backups)"

restore: $(RELEASE_TOOL) ## put a backup back, after a question [FROM=./backups/…]
	@scripts/backup restore "$(FROM)"

test-stack: ## what is in the images, and who may not talk to whom in the running stack
	@stack/tests/definitions
	@stack/tests/images
	@stack/tests/networks
