# One target a deed; `make help` lists them.
SHELL := bash
COMPOSE = docker compose -f docker/compose.yaml $(if $(filter 3,$(BROKERS)),-f docker/compose.three-brokers.yaml) --env-file $(ENV_FILE)
ENV_FILE := $(if $(wildcard .env),.env,.env.example)
# The settings of the file, under those of the environment.
WITH_ENV = given="$$(export -p)"; set -a; . ./$(ENV_FILE); set +a; eval "$$given";
# A folder with other frameworks' contestants and a driver, for `make bench`.
export PEERS ?=

# A deed is often written as several targets in their order, such as 'make up-local create-topics'.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help prepare build run demo demo-clean test test-connect test-goka check audit chaos bench bench-sink doc clean up down create-topics create-connectors ksqldb-migration up-local down-local wipe-local up-replication verify-stack

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

prepare: ## Install the system packages that are missing, saying which
	@docker/local/prepare.sh

build: ## Build the programs
	@docker/local/prepare.sh build
	cargo build --release --locked --workspace --bins

run: prepare build up-local create-topics ## The main job on this machine: stack, topics, products, a search and its recommendation
	@$(WITH_ENV) docker/local/demo.sh

demo: build ## The same with nothing but this repository: an embedded broker and registry, until Ctrl-C
	@$(WITH_ENV) exec target/release/dev demo

demo-clean: build ## Remove what the demo has kept
	@target/release/dev wipe

test: prepare ## All tests, with a real Kafka, registry and PostgreSQL of their own
	docker/local/prepare.sh test
	docker/local/kafka.sh fetch
	docker/local/registry.sh fetch
	cargo build --locked --workspace --bins
	cargo test --locked --workspace

test-connect: prepare ## What Kafka Connect runs of ours: the transformation from records to rows
	docker/local/prepare.sh stack
	mvn -q -B -f docker/connect/pom.xml -Ptests -Djars=$(CURDIR)/target/connect test

test-goka: ## Goka and Millstream read each other's tables; needs Go
	cargo test --locked --test goka -- --ignored --nocapture

check: ## Format, lints, docs, dependencies
	@docker/local/prepare.sh build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny --workspace check bans licenses sources

audit: ## Known vulnerabilities (needs the advisory database, on line)
	cargo deny --workspace check advisories

# ON=embedded runs it on the embedded broker; ARGS takes what 'chaos run --help' lists, such as --duration-s 600 --seed 7.
chaos: prepare ## Kill, hold up and cut off a group under load on a real Kafka, and count what was lost and what came twice
	cargo run --release --locked -p millstream-cmd-chaos -- run --on $(or $(ON),kafka) $(ARGS)

bench: prepare ## Throughput, CPU and memory at 1,000,000 messages; beside other frameworks where PEERS names their folder
	docker/local/bench.sh

bench-sink: prepare ## Rows a second from a topic of 500,000 products to PostgreSQL, each once
	docker/local/prepare.sh stack
	cargo build --release --locked -p millstream-cmd-dev -p millstream-cmd-stream -p millstream-cmd-shop -p millstream-cmd-sink
	docker/local/bench-sink.sh

doc: ## The library's documentation
	cargo doc --no-deps --open

clean: ## What was built
	cargo clean

up: ## The whole stack, by Docker; BROKERS=3 for three brokers, PROFILES=programs for our programs as images too
	COMPOSE_PROFILES=$(PROFILES) $(COMPOSE) up -d --build --wait

down: ## Stop it; its data stays
	COMPOSE_PROFILES='*' $(COMPOSE) down

create-topics: build ## Create or verify the shop's topics, and register their schemas
	@$(WITH_ENV) target/release/stream topics create

create-connectors: ## Replicate the topics to PostgreSQL by Debezium's JDBC sink, or restart what failed
	@$(WITH_ENV) docker/connectors/create.sh

ksqldb-migration: build ## Deploy the SQL rules in rules/, and keep running them
	@$(WITH_ENV) target/release/rules run rules/

up-local: prepare ## Kafka and a schema registry without Docker
	@$(WITH_ENV) docker/local/kafka.sh up
	@$(WITH_ENV) docker/local/registry.sh up

up-replication: up-local ## Beside them PostgreSQL, Kafka Connect and Prometheus
	@docker/local/prepare.sh stack
	@$(WITH_ENV) docker/local/postgres.sh up
	@$(WITH_ENV) docker/local/connect.sh up
	@$(WITH_ENV) docker/local/prometheus.sh up

down-local: ## Stop what was started without Docker; its data stays
	@$(WITH_ENV) for server in prometheus connect postgres registry kafka; do docker/local/$$server.sh down; done

wipe-local: down-local ## Remove its data
	@$(WITH_ENV) for server in prometheus postgres kafka; do docker/local/$$server.sh wipe; done

verify-stack: build ## Start the whole stack from packages, run everything on it, and print what holds and what does not
	docker/local/verify.sh
