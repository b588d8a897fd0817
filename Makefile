# edgememo. `make` lists what there is; the work is in scripts/.
.DEFAULT_GOAL := help
.PHONY: help setup dev purge test lint fmt build package bench bench-keys fuzz deploy clean

# ARGS is passed on by dev, purge and deploy: make deploy ARGS="--env staging"
ARGS ?=
# How long `make fuzz` runs each target.
SECONDS ?= 30
# The tools of the npm packages, their Node.js 22 among them, go first.
RUN := exec env PATH="$(CURDIR)/node_modules/.bin:$$PATH"
# Node.js 22 warns of its SQLite, which reads the embedded store.
SQLITE := --disable-warning=ExperimentalWarning

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install the tools and packages, at pinned versions; skips what is there
	@scripts/setup.sh

dev: setup ## build the Worker and run it on this machine (PORT=8899 chooses the port)
	@$(RUN) node $(SQLITE) scripts/dev.mjs $(ARGS)

purge: setup ## delete a node's dynamiq entries from the store of make dev (NODE=summarizer)
	@$(RUN) node $(SQLITE) scripts/purge.mjs $(ARGS)

test: ## run every check and test
	@scripts/setup.sh test
	@$(RUN) node scripts/test.mjs

lint: ## run the checks alone: formatting, clippy, licences, biome
	@scripts/setup.sh lint
	@$(RUN) node scripts/test.mjs lint

fmt: setup ## format the Rust and JavaScript sources
	@cargo fmt --all
	@$(RUN) biome check --write .

build: setup ## build the Worker into build/ and print its size
	@scripts/build-worker.sh

package: setup ## build the npm package into pkg/ and print its size
	@scripts/build-package.sh

bench: build ## measure the built Worker on workerd
	@$(RUN) node benches/run.mjs

bench-keys: setup ## measure what a key costs, beside SHA-256 and JavaScript
	@$(RUN) scripts/bench-keys.sh $(ARGS)

fuzz: ## run the fuzz targets, SECONDS=30 each
	@scripts/setup.sh fuzz
	@scripts/fuzz.sh $(SECONDS)

deploy: setup ## deploy to your Cloudflare account
	@$(RUN) wrangler deploy $(ARGS)

clean: ## remove what was built; keeps packages, tools and the local store
	@rm -rf target build pkg .wrangler/tmp tests/.artifacts fuzz/target
