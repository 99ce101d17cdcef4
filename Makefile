# Daybook. `make run` starts it, `make test` tests it, `make help` lists the rest.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN     := $(CURDIR)/.bin
# The binary's version is what git says. Where git cannot tell (an archive, a
# folder of somebody else's), the build goes on without.
BUILDVCS := $(shell git status --porcelain >/dev/null 2>&1 && echo auto || echo false)

# RACE= turns the race detector off, for machines without a C compiler.
# TESTFLAGS, PKG and ARGS are for the person at the keyboard:
#   make test PKG=./gateway/internal/store/... TESTFLAGS='-run Torn -v'
#   make run ARGS='--data /tmp/book'
RACE      ?= -race
TESTFLAGS ?=
PKG       ?= work
ARGS      ?=
FUZZTIME  ?= 10s
CYCLES    ?= 1000

export define NO_COMPILER
make test: the race detector needs a C compiler and finds none.
  Debian, Ubuntu:  apt-get install gcc libc6-dev
  macOS:           xcode-select --install
  without it:      make test RACE=
endef

##@ Everyday

.PHONY: run
run: build ## Build and start the gateway (needs Go only)
	exec $(BIN)/daybook serve $(ARGS)

.PHONY: test
test: ## Run every test with the race detector (needs Go and a C compiler)
ifneq ($(RACE),)
	@command -v "$$(go env CC)" >/dev/null || { echo "$$NO_COMPILER" >&2; exit 1; }
endif
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -timeout 40m $(TESTFLAGS) $(PKG)

.PHONY: test-outside
test-outside: ## Test the modules that stand outside the workspace
	cd bridge && GOWORK=off CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) ./...
	cd bench && GOWORK=off go vet ./...

.PHONY: interop
interop: grpcurl interop-js interop-telemetry interop-opentelemetry interop-cloudevents ## SDKs that nobody here wrote, unchanged, against the gateway (interop-browser needs Chromium, and is apart)
	DAYBOOK_REQUIRE=curl,grpcurl go test -count=1 -run Snippets ./gateway/internal/serve/

.PHONY: interop-cloudevents
interop-cloudevents: ## CloudEvents' Go SDK, unchanged, against the gateway
	cd test/interop/go && GOWORK=off go test -count=1 -run GoSDK ./...

.PHONY: interop-js
interop-js: ## OpenTelemetry's exporters and Segment's SDK for Node, from npm, against the gateway (Debian, root: installs Node)
	@command -v node >/dev/null && command -v npm >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm; }
	@! command -v npm >/dev/null || (cd test/interop/js && npm ci --ignore-scripts --no-audit --no-fund --loglevel error)
	go test -count=1 -v -run Interop ./gateway/cmd/daybook/

.PHONY: interop-telemetry
interop-telemetry: ## The telemetry gateway's protocol from grpc-js: 100,000 events, also through two kills (Debian, root: installs Node)
	@command -v node >/dev/null && command -v npm >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm; }
	@! command -v npm >/dev/null || (cd test/interop/telemetry && npm ci --ignore-scripts --no-audit --no-fund --loglevel error)
	go test -count=1 -v -run TelemetryOfAnotherLibrary ./gateway/cmd/daybook/

.PHONY: interop-opentelemetry
interop-opentelemetry: ## OpenTelemetry's Go exporters, unchanged, against the gateway
	cd test/interop/go && GOWORK=off go test -count=1 -run OpenTelemetry ./...

.PHONY: interop-browser
interop-browser: ## A page in Chromium sends by fetch and sendBeacon (needs chromium)
	cd test/interop/go && GOWORK=off go test -count=1 -run Page ./...

.PHONY: build
build: ## Build .bin/daybook, static
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(BUILDVCS) -o $(BIN)/daybook ./gateway/cmd/daybook

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code
	$(BIN)/golangci-lint fmt $(DIRS)

.PHONY: lint
lint: $(BIN)/golangci-lint ## Run the linters (.golangci.yml says which, and why not the others)
	$(BIN)/golangci-lint run $(DIRS)

.PHONY: generate
generate: $(BIN)/buf ## Generate gateway/internal/gen from gateway/proto
	cd gateway && PATH="$(BIN):$$PATH" buf generate

.PHONY: conformance-generate
conformance-generate: $(BIN)/buf ## Generate test/conformance/gen from the suite's own messages
	cd test/conformance && suite=$$(GOWORK=off go list -m -f '{{.Dir}}' connectrpc.com/conformance)/proto && \
		PATH="$(BIN):$$PATH" buf generate "$$suite" $(addprefix --path $$suite/connectrpc/conformance/v1/,config.proto server_compat.proto service.proto)

##@ Longer runs

.PHONY: bench
bench: ## Run every benchmark
	go test -run '^$$' -bench . -benchmem $(TESTFLAGS) $(PKG)

.PHONY: bench-peers
bench-peers: ## What recording costs an application, beside four other ways
	cd bench && GOWORK=off go test -bench . -benchmem

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME each (10s)
	@go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' $(PKG) | while read -r pkg; do \
		for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "== $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

.PHONY: crash
crash: ## Kill a gateway under load CYCLES times (1000) and count what it acknowledged
	DAYBOOK_CRASH_CYCLES=$(CYCLES) go test -run Crash -timeout 4h -v ./gateway/cmd/daybook/

.PHONY: lab
lab: ## Run the proofs of docs/track-record.md in their long form (about 25 minutes, 11 GB; root: a tmpfs too)
	DAYBOOK_LAB=1 go test -count=1 -timeout 2h -v -run '^TestR[0-9]' ./gateway/internal/store/journal/
	DAYBOOK_CRASH_CYCLES=$(CYCLES) go test -count=1 -timeout 2h -v -run '^TestR1[A-Z]' ./gateway/cmd/daybook/
	DAYBOOK_LAB=1 go test -count=1 -timeout 1h -v -run 'EveryAcknowledgedEvent' ./gateway/cmd/daybook/
	DAYBOOK_LAB=1 go test -count=1 -timeout 1h -v -run '^TestR1[0-9]' ./gateway/internal/deliver/ ./gateway/internal/ledger/

.PHONY: conformance
conformance: ## Run connectrpc.com's conformance suite against the gateway's server
	cd test/conformance && GOWORK=off CGO_ENABLED=0 go build -o $(BIN)/conformance-server .
	cd test/conformance && GOWORK=off CGO_ENABLED=0 go build -o $(BIN)/ tool
	$(BIN)/connectconformance --conf test/conformance/suite.yaml --known-flaky '$(FLAKY)' --mode server -- $(BIN)/conformance-server

# In these the suite's client and the server have the same deadline. On a busy
# machine the client's passes first while it reads the answer that says so, and
# it reports an answer cut short. All other cases must pass every time.
FLAKY := Timeouts/HTTPVersion:2/Protocol:PROTOCOL_CONNECT/**/unary

.PHONY: cover
cover: ## Run every test and say how much of the code they reach
	go test -coverpkg daybook.dev/... -coverprofile .cover.out $(TESTFLAGS) $(PKG)
	@go tool cover -func .cover.out | tail -1
	@echo "line by line: go tool cover -html .cover.out"

# Modules with code of ours. Those below tools/ have none: `go get -tool` keeps them.
MODULES := . sink gateway bridge bench test/conformance test/interop/go

##@ Housekeeping

.PHONY: tidy
tidy: ## Bring every go.mod in line with the code
	@for module in $(MODULES); do (set -x; cd $$module; GOWORK=off go mod tidy); done

.PHONY: tidy-check
tidy-check: ## Fail when a go.mod is not in line with the code
	@for module in $(MODULES); do (set -x; cd $$module; GOWORK=off go mod tidy -diff); done

.PHONY: proto-check
proto-check: generate ## Fail when generated code is stale, or a message breaks its users
	cd gateway && $(BIN)/buf lint && $(BIN)/buf breaking --against $(PUBLISHED)
	@test -z "$$(git status --porcelain -- gateway/internal/gen)" || { \
		git --no-pager diff --stat -- gateway/internal/gen; \
		echo "gateway/internal/gen is not what gateway/proto says: commit what 'make generate' made" >&2; exit 1; }

.PHONY: postgres
postgres: ## Install PostgreSQL's programs, which tests start (Debian, root)
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql; }

.PHONY: grpcurl
grpcurl: $(BIN)/grpcurl ## Build grpcurl: with it, tests run every snippet of docs/protocols.md

.PHONY: h2spec
h2spec: $(BIN)/h2spec ## Build h2spec: with it, a test holds the gateway's HTTP/2 against the protocol

.PHONY: proto-publish
proto-publish: $(BIN)/buf ## Note the messages as published: from now on they may not break
	cd gateway && $(BIN)/buf build --exclude-source-info -o $(PUBLISHED)

.PHONY: clean
clean: ## Remove what was built (not the data)
	rm -rf $(BIN) .cover.out

.PHONY: help
help: ## List what make can do
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The messages as users have them, below gateway/: what proto-check compares with.
PUBLISHED := proto/published.binpb

# The folders of the workspace's modules, as patterns.
DIRS = $$(go list -m -f '{{.Dir}}/...')

# Tools are built from the versions that the modules below tools/ pin, and again
# only when those change.
$(BIN)/golangci-lint: tools/lint/go.mod tools/lint/go.sum
	GOWORK=off CGO_ENABLED=0 go -C tools/lint build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/grpcurl: tools/grpcurl/go.mod tools/grpcurl/go.sum
	GOWORK=off CGO_ENABLED=0 go -C tools/grpcurl build -o $@ github.com/fullstorydev/grpcurl/cmd/grpcurl

$(BIN)/h2spec: tools/h2spec/go.mod tools/h2spec/go.sum
	GOWORK=off CGO_ENABLED=0 go -C tools/h2spec build -o $@ github.com/summerwind/h2spec/cmd/h2spec

$(BIN)/buf: tools/proto/go.mod tools/proto/go.sum
	GOWORK=off CGO_ENABLED=0 go -C tools/proto build -o $(BIN)/ tool
