# One target a deed; `make help` lists them.
SHELL := bash
COMPOSE := docker compose -f docker/compose.yaml
ENV_FILE := $(if $(wildcard .env),.env,.env.example)
WITH_ENV := set -a; . ./$(ENV_FILE); set +a;
export PEERS ?= $(wildcard ../shared/peers)

.DEFAULT_GOAL := help
.PHONY: help prepare build run test check audit bench doc clean up down create-topics create-connectors ksqldb-migration up-local down-local wipe-local

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

prepare: ## Install the system packages that are missing, saying which
	@docker/local/prepare.sh

build: prepare ## Build the programs
	cargo build --release --locked --workspace --bins

run: build up-local create-topics ## The main job on this machine: stack, topics, products, a search and its recommendation
	@$(WITH_ENV) docker/local/demo.sh

test: prepare ## All tests, with a real Kafka and registry of their own
	docker/local/kafka.sh fetch
	docker/local/registry.sh fetch
	cargo build --locked --workspace --bins
	cargo test --locked --workspace

check: prepare ## Format, lints, docs, dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	@command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny check bans licenses sources

audit: ## Known vulnerabilities (needs the advisory database, on line)
	cargo deny check advisories

bench: prepare ## Throughput, CPU and memory at 1,000,000 messages; beside other frameworks where PEERS names their folder
	docker/local/bench.sh

doc: ## The library's documentation
	cargo doc --no-deps --open

clean: ## What was built
	cargo clean

up: ## The whole stack, by Docker
	$(COMPOSE) --env-file $(ENV_FILE) up -d --wait

down: ## Stop it; its data stays
	$(COMPOSE) --env-file $(ENV_FILE) down

create-topics: build ## Create or verify the shop's topics, and register their schemas
	@$(WITH_ENV) target/release/stream topics create

create-connectors: ## Replicate the topics to PostgreSQL by Debezium's JDBC sink
	@$(WITH_ENV) docker/connectors/create.sh

ksqldb-migration: build ## Deploy the SQL rules in rules/, and keep running them
	@$(WITH_ENV) target/release/rules run rules/

up-local: prepare ## Kafka and a schema registry without Docker
	docker/local/kafka.sh up
	docker/local/registry.sh up

down-local: ## Stop what up-local started; its data stays
	docker/local/registry.sh down
	docker/local/kafka.sh down

wipe-local: down-local ## Remove its data
	docker/local/kafka.sh wipe
