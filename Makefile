# Needs make, Go, Node (with npm) and curl; nothing else. `make test` uses cc for the race
# detector and strace for the sync check where they are there, and says so where not.

GO         ?= go
# They keep Badger v1 and v2 out, which Caddy's PKI would link beside ours (xcaddy.md).
TAGS       := nobadger,nomysql,nopgx
GOLANGCI   ?= golangci-lint
FUZZTIME   ?= 10s
# How long `make torture` goes on.
DURATION   ?= 10m
MINUTES    ?= 50
BIN        := bin/caddy-sync
# The three modules; ./... never enters a nested one (DECISIONS 18).
MODULES    := . devidp cmd/caddy-sync
# The packages of the root module without the end-to-end tests.
UNIT        = $$($(GO) list -tags $(TAGS) ./... | grep -vE '/(test|bench)(/|$$)')

HAVE_CC    := $(shell command -v "$${CC:-cc}" 2>/dev/null)
ifneq ($(HAVE_CC),)
RACE       := -race
export CGO_ENABLED = 1
endif

.PHONY: help build quickstart-free run test vet unit examples e2e torture-short torture soak couchbase-lite bench fuzz lint isolated macos clean race-notice

help:
	@echo 'make run      start the quickstart on http://localhost:8080'
	@echo 'make test     all tests, the short crash test included'
	@echo 'make bench    the table of docs/architecture.md'
	@echo 'make torture  the crash test for DURATION (default $(DURATION)), and all faults at length'
	@echo 'make soak     makes and removes the same things for MINUTES (default $(MINUTES)): what grows is a leak'
	@echo 'make couchbase-lite  the real Couchbase Lite in the folders that COUCHBASE_LITE lists (test/cblite/README.md)'
	@echo 'make fuzz     every fuzz test for FUZZTIME (default $(FUZZTIME))'
	@echo 'make lint     golangci-lint on the three modules'
	@echo 'make build    $(BIN)'

build:
	@test -e $(BIN) || echo 'Compiling. The first time all of Caddy is compiled, which takes some minutes.'
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '-s -w' -o $(BIN) ./cmd/caddy-sync

# What the quickstart's page loads from npm.
examples/quickstart/app/lib/pouchdb.min.js: examples/quickstart/package-lock.json
	cd examples/quickstart && npm ci --no-audit --no-fund && node pouchdb.mjs

# Before minutes of compiling.
quickstart-free:
	@examples/quickstart/run --free

run: quickstart-free build examples/quickstart/app/lib/pouchdb.min.js
	@exec examples/quickstart/run

race-notice:
ifeq ($(HAVE_CC),)
	@echo '**********************************************************************'
	@echo '** There is no C compiler: the tests run WITHOUT the race detector. **'
	@echo '**********************************************************************'
endif

# `go test` prints a closing line for each package.
test: race-notice vet unit examples e2e torture-short
	@echo 'make test: passed'

vet:
	@for m in $(MODULES); do echo "== go vet: $$m"; (cd $$m && $(GO) vet -tags $(TAGS) ./...) || exit 1; done

unit:
	@echo '== tests of the root module'
	test/told.sh $(GO) test $(RACE) -tags $(TAGS) $(UNIT)
	@echo '== tests of devidp'
	cd devidp && $(GO) test $(RACE) -tags $(TAGS) ./...

# The examples are adapted and provisioned by the module that has both handlers in it.
examples:
	@echo '== tests of cmd/caddy-sync: the examples'
	cd cmd/caddy-sync && $(GO) test $(RACE) -tags $(TAGS) ./...

test/clients/node_modules/.package-lock.json: test/clients/package-lock.json
	cd test/clients && npm ci --no-audit --no-fund

test/pouchdb-server/node_modules/.package-lock.json: test/pouchdb-server/package-lock.json
	cd test/pouchdb-server && npm ci --no-audit --no-fund

# One package at a time: each starts servers of its own.
e2e: test/clients/node_modules/.package-lock.json test/pouchdb-server/node_modules/.package-lock.json
	@echo '== end-to-end tests: real clients against the built binary'
	test/told.sh $(GO) test -p 1 -count 1 -timeout 15m -tags $(TAGS) ./test/... ./bench/...

torture-short:
	@echo '== crash test, short'
	$(GO) run -tags $(TAGS) ./test/torture -duration 30s

torture: build
	$(GO) run -tags $(TAGS) ./test/torture -duration $(DURATION)
	FAULTS=long $(GO) test -count 1 -p 1 -parallel 2 -timeout 60m -v -tags $(TAGS) ./test/faults
	RELOADS=1000 $(GO) test -count 1 -timeout 60m -v -tags $(TAGS) -run ReloadsUnderLoad ./test

soak: build
	node test/soak/soak.mjs $(MINUTES)

# A real Couchbase Lite, which the project does not install (test/cblite/README.md).
couchbase-lite: build
	@test -n "$$COUCHBASE_LITE" || { echo 'COUCHBASE_LITE lists no folder of Couchbase Lite for C (test/cblite/README.md)'; exit 1; }
	$(GO) test -count 1 -timeout 60m -v -tags $(TAGS) -run 'CouchbaseLite(Devices|Ends|At|4)' ./test

bench:
	$(GO) run -tags $(TAGS) ./bench

fuzz:
	@for m in $(MODULES); do (cd $$m && for p in $$($(GO) list -tags $(TAGS) ./...); do \
		for f in $$($(GO) test -tags $(TAGS) -run '^$$' -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "== $$p $$f"; \
			$(CURDIR)/test/fuzz.sh $(GO) test -tags $(TAGS) -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; done) || exit 1; done

lint:
	@for m in $(MODULES); do echo "== golangci-lint: $$m"; \
		(cd $$m && $(GOLANGCI) run --config "$(CURDIR)/.golangci.yml" ./...) || exit 1; done
	@echo '== golangci-lint: test/kivik'
	cd test/kivik && GOWORK=off $(GOLANGCI) run --config "$(CURDIR)/.golangci.yml" ./...

# Each module builds by its own go.mod alone, which must be complete (DECISIONS 18).
isolated:
	@for m in $(MODULES); do echo "== GOWORK=off: $$m"; \
		(cd $$m && GOWORK=off CGO_ENABLED=0 $(GO) build -mod=readonly -tags $(TAGS) ./... && GOWORK=off $(GO) mod tidy -diff) || exit 1; done
	rm -f cmd/caddy-sync/caddy-sync

# The quickstart runs on developers' Macs too; all tests run on Linux.
macos:
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -tags $(TAGS) -o /dev/null ./cmd/caddy-sync

clean:
	rm -rf bin dist
