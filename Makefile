# Targets a person uses: build ramenv run test test-metal check bench rules golden clean.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULE  := github.com/steelyard/steelyard
LDFLAGS := -s -w -X $(MODULE)/pkg/version.Version=$(VERSION)
TOOLS   := .cache/bin

# Packages where goroutines meet: tested with the race detector when there is a C compiler.
RACE := ./protocol/... ./controller/store/... ./controller/gateway/... ./controller/reconcile/... \
        ./controller/intake/... ./controller/notify/... ./controller/seal/... ./controller/metrics/... ./agent/execute/... ./agent/link/... ./agent/hosting

.PHONY: build ramenv run test test-metal check check-fast bench rules golden clean help FORCE

help: ## what each target does
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14

build: bin/steelyard bin/steelyard-agent ## bin/steelyard and bin/steelyard-agent, static, version stamped

bin/steelyard: FORCE
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./controller

bin/steelyard-agent: FORCE
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./agent

ramenv: ## bin/ramenv: the system that servers are netbooted into, from Debian's kernel and our agent
	go run ./deploy/ramenv build -o bin/ramenv -version '$(VERSION)'

run: build ## a living fleet on this machine
	bin/steelyard dev $(ARGS)

test: ## install what the tests need, then run all of them
	deploy/install-test-deps.sh
	deploy/test.sh "$(RACE)"

test-metal: ## the tests in virtual machines alone, with their times
	deploy/install-test-deps.sh
	CGO_ENABLED=0 go test -v -p 2 -count=1 -timeout 60m ./deploy/e2e/metal/...

check-fast: ## format, vet, machine paths: what needs no tools
	deploy/check.sh fast

check: ## check-fast, licences, gofumpt, staticcheck, golangci-lint
	deploy/check.sh all

ifeq (bench,$(firstword $(MAKECMDGOALS)))
GOALS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
.PHONY: $(GOALS)
$(GOALS): ; @:
endif

bench: ## measure the goals; `make bench G5 G9` measures two
	cd deploy/bench && CGO_ENABLED=0 go run . $(ARGS) $(GOALS)

rules: ## each rule with the tests that name it
	@go run ./deploy/rules

golden: ## renew the golden files; read the difference before it is committed
	packages="$$(grep -rlE 'flag\.Bool\("update"' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)"; \
	for p in $$packages; do go test "$$p" -update -count=1; done; \
	git status --short -- '*testdata*' '*.json' '*.txt' '*.golden'

clean: ## what was built
	rm -rf bin .cache bench.json
