# linli: every target says what it does in `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BUILD := $(CURDIR)/.build
BIN := $(BUILD)/bin
export PATH := $(BIN):$(PATH)
export GOFLAGS := -buildvcs=false

MODULES := proto pkg services gateway cmd
# What `make verify-breaking` compares with: the newest release, and until there
# is one the commit named in proto/BASELINE.
BASE ?= $(shell git describe --tags --abbrev=0 2>/dev/null || cat proto/BASELINE 2>/dev/null || true)
FUZZTIME ?= 60s
BENCH ?= .

.DEFAULT_GOAL := help
.PHONY: help build run demo demo-city test bench gen fmt verify nightly clean tools

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

build: ## build bin/linli
	@mkdir -p bin
	go build -o bin/linli ./cmd/linli

run: build ## build and start everything in one process, data in ./var (or LINLI_DATA), its clock at CLOCK
	@exec bin/linli serve --dev $(if $(CLOCK),--clock $(CLOCK))

.PHONY: run-six demo-six
SIX ?= $(or $(LINLI_DATA),$(CURDIR)/var/six)
run-six: build ## build and start linli as six processes, data in ./var/six (or LINLI_DATA); stop: deploy/six.sh stop
	@deploy/six.sh start --dev $(if $(CLOCK),--clock $(CLOCK)) $(SIX)
	@echo "stop it with: deploy/six.sh stop $(SIX)"

demo-six: build ## the demo on six processes, in a new folder
	@d=$$(mktemp -d); trap 'deploy/six.sh stop $$d; rm -rf $$d' EXIT; \
	ports=$${LINLI_PORTS:-20000}; codes=127.0.0.1:$$((ports + 12)); \
	LINLI_PORTS=$$ports LINLI_SMS=http://$$codes/ deploy/six.sh start --dev --clock 2013-01-01 $$d; \
	bin/linli demo --data $$d/demo --address 127.0.0.1:$$ports --phones $$codes --code $$(grep -o '/first#[^ ]*' $$d/registry/out | cut -d'#' -f2)

demo: build ## live through a district's 2013 and compare it with the records
	bin/linli demo

demo-city: build ## a whole city: 100,000 members, from their rosters to 2,000 letters
	bin/linli demo --city $(if $(FIGURES),--figures $(FIGURES))

# --- tests -----------------------------------------------------------------
# A budget per suite, in seconds: generous, so that only a suite that got out
# of hand fails. Compiling is not on the clock: on a new machine it takes longer
# than the tests. The race detector runs where goroutines meet.

.PHONY: test-pkg test-services test-gateway test-cmd test-faults faults
test: test-pkg test-services test-gateway test-cmd test-faults ## run every test

test-pkg:
	@go test -race -run '^$$' ./pkg/... ./proto/... >/dev/null
	@scripts/suite.sh pkg 300 go test -race -timeout 5m ./pkg/... ./proto/...
test-services:
	@go test -run '^$$' ./services/... >/dev/null
	@scripts/suite.sh services 300 go test -timeout 5m ./services/...
test-gateway:
	@go test -race -run '^$$' ./gateway/... >/dev/null
	@scripts/suite.sh gateway 120 go test -race -timeout 2m ./gateway/...
test-cmd:
	@go test -run '^$$' ./cmd/... >/dev/null
	@scripts/suite.sh cmd 600 go test -timeout 10m $$(go list ./cmd/... | grep -v /cmd/faults$$)
# Full disks and power cuts want to mount a loop image, which only root may:
# DISK=no leaves them and their controls out, and nothing else.
test-faults:
	@go test -run '^$$' ./cmd/faults >/dev/null
	@LINLI_FAULTS_DISK=$(DISK) LINLI_FAULTS_CYCLES=50 scripts/suite.sh faults 420 go test -count 1 -timeout 8m ./cmd/faults

CYCLES ?= 50
SEED ?= 1
faults: build ## break linli under load: CYCLES=50 SEED=1, ONLY="power cut" for one fault, CONTROLS=yes, SIX=yes, DISK=no without root, FIGURES
	go build -o bin/faults ./cmd/faults
	@bin/faults loop --cycles $(CYCLES) --seed $(SEED) --only "$(ONLY)" --figures "$(FIGURES)" --controls=$(if $(filter yes,$(CONTROLS)),true,false) \
		--six=$(if $(filter yes,$(SIX)),true,false) --disk=$(if $(filter no,$(DISK))$(filter yes,$(SIX)),false,true)

bench: ## storage beside raw fsync, REST beside a bare handler
	go test -run '^$$' -bench '$(BENCH)' -benchtime 2s ./pkg/kv/boltkv
	go test -run '^$$' -bench '$(BENCH)' -benchtime 3s ./cmd/bench

.PHONY: compare-batch
compare-batch: ## bulk work beside plain Go: MEMBERS=100000 (2 million ledger lines: ten to fifteen minutes), PEERS=folder for the programs of others, FIGURES
	@echo "$(or $(MEMBERS),100000) members with 20 ledger lines each; 100,000 are 2 million lines, which take ten to fifteen minutes on two cores"
	go build -o bin/batch ./cmd/batch
	@bin/batch $(if $(MEMBERS),-members $(MEMBERS)) $(if $(PEERS),-peers "$(PEERS)") $(if $(FIGURES),-figures "$(FIGURES)") $(ARGS)

.PHONY: figures
figures: ## print docs/performance.md and docs/reliability.md from docs/figures
	go run ./cmd/figures/print

.PHONY: compare
# Both shapes of linli in turn with what they are measured against: the peers in
# the folder PEERS (needs wrk, PostgreSQL and curl), else a bare net/http handler.
# With FIGURES=docs/figures the figures are kept; NOTE is a paragraph beside them.
# Seeds are kept in COMPARE_DIR (linli-compare in the folder for temporary files);
# as root with PEERS, everybody must be able to enter it, since PostgreSQL runs as
# another user. The targets beside others are of SIZES=100000.
SIZES ?= 10000
CONNS ?= 1,16,64,256
SHAPES ?= one,six
SECONDS_EACH ?= 3
REPEATS ?= 3
compare: build ## measure REST beside others: PEERS, SIZES, CONNS, SHAPES, SECONDS_EACH, REPEATS, FIGURES, NOTE, COMPARE_DIR
	go build -o bin/load ./cmd/load
	@bin/load compare --sizes $(SIZES) --conns $(CONNS) --shapes $(SHAPES) --seconds $(SECONDS_EACH) --repeats $(REPEATS) \
	  $(if $(PEERS),--peers $(PEERS)) $(if $(COMPARE_DIR),--dir $(COMPARE_DIR)) $(if $(FIGURES),--figures $(FIGURES)) \
	  $(if $(NOTE),--note "$(NOTE)")

.PHONY: drill
drill: ## back up the data folder DATA, restore it elsewhere, check and start it; FIGURES=docs/figures keeps the figures
	go run ./cmd/drill -data "$(DATA)" -figures "$(FIGURES)"

.PHONY: pressure
pressure: build ## offer ten times what can be carried, and callers who mean no good: FOR=1m, FIGURES, ARGS="-times 5"
	go build -o bin/pressure ./cmd/pressure
	@bin/pressure $(if $(FOR),-for $(FOR)) $(if $(FIGURES),-figures "$(FIGURES)") $(ARGS)

nightly: ## what takes longer: a thousand kills, long histories, the race detector everywhere, fuzzing
	LINLI_NIGHTLY=1 go test -race -timeout 4h ./pkg/...
	go test -race -timeout 1h ./services/... ./gateway/... ./cmd/...
	LINLI_NIGHTLY=1 go test -timeout 2h -run TestCity ./cmd/e2e
	$(MAKE) faults CYCLES=1000
	$(MAKE) faults CYCLES=200 ONLY="power cut"
	$(MAKE) faults CYCLES=200 SIX=yes
	scripts/fuzz.sh $(FUZZTIME)

# --- generated code and checks ---------------------------------------------

$(BIN)/.%: tools/%/go.mod tools/%/go.sum
	@mkdir -p $(BIN)
	GOWORK=off GOBIN=$(BIN) go -C tools/$* install tool
	@touch $@

$(BUILD)/protodeps/.ok: tools/gen/go.sum tools/gen/protodeps/main.go
	@rm -rf $(@D)
	GOWORK=off go -C tools/gen run ./protodeps $(@D)
	@touch $@

tools: $(BIN)/.buf $(BIN)/.gen $(BIN)/.lint ## install the pinned tools into .build/bin

gen: $(BIN)/.buf $(BIN)/.gen $(BUILD)/protodeps/.ok ## generate Go, gateway and OpenAPI code from proto/
	rm -rf proto/gen proto/openapi/*.json
	buf generate

.PHONY: verify-gen verify-proto verify-breaking verify-fmt verify-lint verify-tidy verify-docs verify-words
.PHONY: fix-gen fix-fmt fix-lint fix-tidy fix-docs
verify: verify-gen verify-proto verify-breaking verify-fmt verify-tidy verify-docs verify-words verify-lint ## every check that is not a test

verify-gen: gen ## generated code is what proto/ says
	@scripts/unchanged.sh proto "make gen"

verify-proto: $(BIN)/.buf $(BUILD)/protodeps/.ok ## proto style
	buf lint proto
	buf format -d --exit-code proto

verify-breaking: $(BIN)/.buf $(BUILD)/protodeps/.ok ## proto breaks nobody, against BASE
	scripts/breaking.sh "$(BASE)" $(BUILD)

verify-fmt: ## gofmt
	@out=$$(gofmt -l $(MODULES) tools | grep -v /gen/ || true); test -z "$$out" || { echo "$$out"; echo "run make fix-fmt"; exit 1; }

verify-lint: $(BIN)/.lint ## the rules of the house
	golangci-lint run $(addsuffix /...,$(MODULES))

verify-tidy: ## go.mod files name what is used
	@for m in $(MODULES) tools/buf tools/gen tools/lint; do GOWORK=off go -C $$m mod tidy -diff || { echo "run make fix-tidy"; exit 1; }; done

verify-docs: build ## printed pages are what the code says
	@bin/linli states | diff -u docs/states.md - || { echo "run make fix-docs"; exit 1; }
	@bin/linli access | diff -u docs/access.md - || { echo "run make fix-docs"; exit 1; }
	@go run ./cmd/figures/print -check

verify-words: ## the repository speaks of linli alone
	@scripts/words.sh

fix-gen: gen ## as gen
fix-fmt: $(BIN)/.buf $(BUILD)/protodeps/.ok ## format Go and proto
	gofmt -w $(MODULES) tools
	buf format -w proto
fix-lint: $(BIN)/.lint ## what the linter can mend itself
	golangci-lint run --fix $(addsuffix /...,$(MODULES))
fix-tidy: ## tidy every module
	@for m in $(MODULES) tools/buf tools/gen tools/lint; do GOWORK=off go -C $$m mod tidy; done
fix-docs: build ## print the pages again
	bin/linli states > docs/states.md
	bin/linli access > docs/access.md

clean: ## remove what was built; data in var/ stays
	rm -rf bin $(BUILD)
