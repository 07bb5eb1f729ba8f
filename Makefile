# Two commands on a fresh machine: `make run` and `make test`.
GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
CONFIG       ?= router.hcl
DATA         ?= data

.PHONY: build run test check lint vuln generate verify-generated bench bench-report bench-faults bench-seed fuzz clean

build: ## one binary, first-party plugins included
	CGO_ENABLED=0 go build -trimpath -o bin/smartrouter .

run: build ## answers at http://127.0.0.1:7601/v1, with no key and no service
	bin/smartrouter serve --config $(CONFIG) --data-dir $(DATA)

test: ## everything, with the race detector; the tests install the Node clients they need
	go test -race -timeout 45m ./...
	go test -run '^(TestForwardedRequestsAreCheap|TestLeaseHitTakesNoMemory)$$' ./core/bench ./core/pipeline

check: lint verify-generated vuln ## format, lint with the arrows, generated code, go.mod, known holes
	go mod tidy -diff
	go run . fmt --check router.hcl $(wildcard examples/*/*/router.hcl core/scaffold/templates/*/*/router.hcl)

lint:
	$(GOLANGCI_LINT) run --allow-parallel-runners ./...

generate: ## protobuf code, by pinned tools
	go generate ./...

verify-generated: generate
	@git diff --exit-code --stat -- '*.pb.go' || { echo "generated code is not what the .proto files say: commit what make generate wrote"; exit 1; }

# The list of known holes is on a public server: where that can't be reached,
# say so and go on.
vuln:
	@if curl -sfo /dev/null -m 10 https://vuln.go.dev/index/db.json; then $(GOVULNCHECK) ./...; \
	else echo "govulncheck skipped: vuln.go.dev can't be reached from here"; fi

bench: build ## us against httputil.ReverseProxy in one run
	go run ./core/bench -smartrouter bin/smartrouter
	go test -run '^$$' -bench '^(BenchmarkLeaseHit|BenchmarkRun)$$' ./core/pipeline

bench-report: ## how costs grow, drawn into docs/performance.md from what is recorded; RECORD=1 measures it anew
	$(if $(RECORD),CGO_ENABLED=0 go build -trimpath -o bin/smartrouter . && go run ./core/bench -smartrouter bin/smartrouter -record docs/performance/curves.json)
	go run ./core/bench -draw docs

bench-faults: build ## what it costs when plugins are killed and stopped at 1,000 requests a second
	go run ./core/bench -smartrouter bin/smartrouter -faults

bench-seed: build ## each mechanism against the naive way to do the same: the table of docs/seed.md
	go run ./core/bench/seed -smartrouter bin/smartrouter

fuzz: ## every fuzz test for FUZZTIME each
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),20s) $$p || exit 1; done; done

clean:
	rm -rf bin data
