# Everything here is a thin line over the go command and Go programs, so each
# step also works without make. `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The modules of go.work. The tools under internal/tools are modules of their
# own outside it, so that what they depend on never meets what we ship.
MODULES  := . gateway backend
PACKAGES := $(foreach m,$(MODULES),$(patsubst ./.,.,./$(m))/...)

# A tag, or the commit, or "dev" where there is neither.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X gatehouse/internal/buildinfo.Version=$(VERSION)

# The end-to-end tests build and start both processes themselves, which the
# go command's test cache cannot see: a cached result might be another
# program's. TESTFLAGS= brings the cache back.
TESTFLAGS ?= -count=1

# The limit of one package's tests; the suite as a whole takes less than 6 minutes.
TIMEOUT      ?= 5m
TIMEOUT_RACE ?= 10m

FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 1s
COUNT     ?= 1

# To build by gateway/cmd/gateway/default.pgo takes minutes the first time, so only
# what is shipped or measured is.
export GOFLAGS += -pgo=off

# What git knows or would take, so neither data nor built files.
FILES := git -c core.quotepath=off ls-files -co --exclude-standard

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9\/]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Built and then started, not `go run`: a SIGTERM ends `go run` itself and
# would leave the processes it started behind. The first line compiles all three
# programs at once, with a compiler that collects its garbage less often: a
# quarter faster on a cold cache.
.PHONY: run
run: ## Start PostgreSQL, Redis, backend and gateway with demo data; Ctrl-C stops them
	@[ -e bin/run ] || echo 'building; the first time takes up to a minute'
	@GOGC=400 go build ./internal/stack/cmd/run ./gateway/cmd/gateway ./backend/cmd/backend
	@go build -o bin/run ./internal/stack/cmd/run
	@exec bin/run

.PHONY: build
build: ## Build gateway and backend into bin/ (VERSION=…)
	CGO_ENABLED=0 go build -pgo=auto -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./gateway/cmd/gateway ./backend/cmd/backend

.PHONY: test
test: ## Run all tests of all modules (TESTFLAGS=…)
	go test -timeout $(TIMEOUT) $(TESTFLAGS) work

# A statement counts as covered by the tests of its own package only.
.PHONY: cover
cover: ## Run all tests and write coverage.out, and coverage.md with a line for each package
	go test -timeout $(TIMEOUT) $(TESTFLAGS) -coverprofile=coverage.out work
	@awk 'NR > 1 { file = $$1; sub(/\/[^\/]*$$/, "", file); all[file] += $$2; sum += $$2; if ($$3 > 0) { hit[file] += $$2; covered += $$2 } } \
	END { print "| package | statements | covered |\n| --- | ---: | ---: |"; fflush(); \
	      for (p in all) printf "| %s | %d | %.1f %% |\n", p, all[p], 100 * hit[p] / all[p] | "sort"; close("sort"); \
	      printf "| **all** | %d | **%.1f %%** |\n", sum, 100 * covered / sum }' coverage.out > coverage.md
	@tail -1 coverage.md

.PHONY: test/cache
test/cache: ## Run the backend's tests once more, with all that is cached in Redis
	CACHE=redis go test -timeout $(TIMEOUT) $(TESTFLAGS) ./backend

# With GATEHOUSE_RACE the tests that start the two processes build them with the
# detector too. It needs a C compiler. The contract's tests read a document over and
# over, in one goroutine each, and are left out, as are those that look at pages or run
# the commands of guides, and one that holds what a fleet admits against the clock: the
# limits themselves are raced in gateway/internal/ratelimit.
NO_RACE := ^(TestConsole|TestGuides|TestBackup|TestPrometheus|TestFleetKeepsTheLimit)$$
.PHONY: test/race
test/race: ## Run all tests under the race detector
	CGO_ENABLED=1 GATEHOUSE_RACE=1 go test -race -timeout $(TIMEOUT_RACE) $(TESTFLAGS) -skip '$(NO_RACE)' $$(go list work | grep -vx gatehouse/api)

.PHONY: test/e2e
test/e2e: ## Run the end-to-end tests only: both processes over real sockets
	go test -timeout $(TIMEOUT) $(TESTFLAGS) ./internal/e2e/...

# Where Prometheus is missing these say so and are skipped, unless
# GATEHOUSE_REQUIRE_ALL is set.
.PHONY: test/prometheus
test/prometheus: ## Run the tests of rules, alerts and dashboards, with promtool and a real Prometheus
	go test -timeout $(TIMEOUT) $(TESTFLAGS) ./deploy/... ./internal/promtest
	go test -timeout $(TIMEOUT) $(TESTFLAGS) -run '^TestPrometheus$$' ./internal/e2e

# make test leaves k6 out where there is none: it takes minutes to build.
.PHONY: test/load
test/load: bin/k6 ## Run the tests of load tests, with k6 reading every script
	go test -timeout $(TIMEOUT) $(TESTFLAGS) ./internal/stack/cmd/load ./loadtest/...

# Needs Docker with Compose 2.24 or newer, and nothing else.
COMPOSE_TEST := docker compose -f docker-compose.yml -f deploy/docker/compose.test.yml
.PHONY: test/compose
test/compose: ## Start everything in containers, sign in and use it, remove it all
	@trap '$(COMPOSE_TEST) down --volumes --timeout 20' EXIT; \
	$(COMPOSE_TEST) build; \
	$(COMPOSE_TEST) run --rm test || { $(COMPOSE_TEST) logs --tail 50; exit 1; }

.PHONY: images
images: ## Build both container images, gatehouse/gateway and gatehouse/backend (VERSION=…)
	@set -e; for program in gateway backend; do \
		docker build -f deploy/docker/$$program.Dockerfile --build-arg VERSION='$(VERSION)' --build-arg REVISION="$$(git rev-parse HEAD)" -t gatehouse/$$program:'$(VERSION)' .; \
	done

# A million contacts and what belongs to them: two minutes and a gigabyte.
.PHONY: test/plans
test/plans: ## Explain every query at volume: index conditions, rows read per row returned
	go test -tags plans -timeout 20m $(TESTFLAGS) -run '^TestPlans$$' ./backend/internal/pg

.PHONY: bench
bench: ## Run all Go benchmarks (BENCH=regexp BENCHTIME=1s COUNT=1)
	@set -e; \
	dirs=$$($(FILES) -- '*_test.go' | xargs grep -ls '^func Benchmark' | xargs -n1 dirname | sort -u | sed 's,^,./,' || true); \
	if [ -z "$$dirs" ]; then echo 'bench: no benchmark found'; exit 1; fi; \
	go test -timeout 30m -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -benchmem $$dirs

# Other proxies take part where they are installed; what is missing, and how to
# install it, is said at the start. COMPARE=-help lists what can be chosen.
.PHONY: bench/compare
bench/compare: ## Measure a request's CPU time here and in other proxies, on Linux (COMPARE=flags)
	go run ./loadtest/compare $(COMPARE)

# BENCHBACKEND=-help lists what can be chosen.
.PHONY: bench/backend
bench/backend: ## Measure requests per CPU second of backend, PostgreSQL and Redis beside pgbench, on Linux (BENCHBACKEND=flags)
	go run ./loadtest/backend $(BENCHBACKEND)

# DURATION=90s shortens or lengthens the run, SCALE=4 multiplies its rates and
# users, PROFILE=1 takes CPU profiles, ACCESS_LOG=file keeps the gateways' lines:
# what stands on make's command line reaches the program as its environment.
.PHONY: load
load: bin/k6 ## Run a k6 scenario against a stack of its own (SCENARIO=smoke DURATION=… SCALE=…)
	@go build ./internal/stack/cmd/load ./gateway/cmd/gateway ./backend/cmd/backend
	@go build -o bin/load ./internal/stack/cmd/load
	@exec bin/load $(SCENARIO)

# The script that it writes is loadtest/results/replay.js. SPEED=2 is twice as fast.
.PHONY: load/replay
load/replay: bin/k6 ## Play a gateway's access log again, without its secrets (LOG=file SPEED=1)
	@[ -n '$(LOG)' ] || { echo 'load/replay: name the log, as in make load/replay LOG=gateway.log'; exit 2; }
	@go run ./loadtest/replay -speed $(or $(SPEED),1) -o loadtest/results/replay.js '$(LOG)'
	@$(MAKE) --no-print-directory load SCENARIO=replay

# Without a bound most of the time goes into making inputs small that are merely
# new.
.PHONY: fuzz
fuzz: ## Run every fuzz test in turn for FUZZTIME each (FUZZTIME=10s)
	@set -e; \
	targets=$$($(FILES) -- '*_test.go' | xargs grep -os '^func Fuzz[A-Za-z0-9_]*' /dev/null | sed 's/:func /:/' | sort || true); \
	if [ -z "$$targets" ]; then echo 'fuzz: no fuzz test found'; exit 1; fi; \
	for t in $$targets; do \
		file=$${t%:*}; name=$${t##*:}; dir=./$$(dirname "$$file"); \
		echo "== $$name in $$dir"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s "$$dir"; \
	done

.PHONY: lint
lint: bin/golangci-lint bin/actionlint ## Check the code, its import rules and the workflows
	bin/golangci-lint run $(PACKAGES)
	bin/actionlint -shellcheck= -pyflakes=

.PHONY: fmt
fmt: bin/golangci-lint ## Format the Go code
	bin/golangci-lint fmt

.PHONY: generate
generate: bin/sqlc ## Write what is generated: queries, settings' docs, …
	bin/sqlc generate
	go generate $(PACKAGES)

.PHONY: verify
verify: verify/format verify/modules verify/generated verify/queries ## Fail when generated code, docs, formatting or go.mod are stale, or a query breaks a rule

.PHONY: verify/format
verify/format:
	@stale=$$($(FILES) -- '*.go' | while read -r f; do if [ -e "$$f" ]; then echo "$$f"; fi; done | xargs gofmt -l); \
	if [ -n "$$stale" ]; then printf 'verify: run make fmt, not formatted:\n%s\n' "$$stale"; exit 1; fi

# Alone, as whoever packages one module builds it: with its own go.mod, not
# the workspace's sum of all three. vet also compiles the tests.
.PHONY: verify/modules
verify/modules:
	@set -e; export GOWORK=off; \
	for m in $(MODULES) $(TOOL_MODULES); do \
		echo "== $$m: go.mod is tidy"; \
		go -C "$$m" mod tidy -diff; \
	done; \
	for m in $(MODULES); do \
		echo "== $$m: builds alone"; \
		go -C "$$m" build ./...; \
		go -C "$$m" vet ./...; \
	done

# In a copy, so that uncommitted changes are seen and never touched. What sqlc
# wrote goes first, else a file of queries that are gone would pass for
# current. git lists a deleted file twice here, so uniq drops it.
.PHONY: verify/generated
verify/generated: bin/sqlc
	@set -e; echo '== generated files are those of make generate'; \
	copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	mkdir "$$copy/tree" "$$copy/generated"; \
	{ $(FILES); git -c core.quotepath=off ls-files -d; } | sort | uniq -u | tar -cf "$$copy/tar" -T -; \
	tar -xf "$$copy/tar" -C "$$copy/tree"; \
	tar -xf "$$copy/tar" -C "$$copy/generated"; \
	grep -rl --include='*.go' '^// Code generated by sqlc' "$$copy/generated" | xargs rm -f; \
	mkdir "$$copy/generated/bin"; ln -s "$(CURDIR)/bin/sqlc" "$$copy/generated/bin/sqlc"; \
	$(MAKE) --no-print-directory -C "$$copy/generated" -o bin/sqlc generate; \
	rm -r "$$copy/generated/bin"; \
	if ! (cd "$$copy" && diff -ruN tree generated); then echo 'verify: stale, run make generate'; exit 1; fi

# On a database that the test starts.
.PHONY: verify/queries
verify/queries: bin/sqlc
	@echo '== queries keep to the rules of sqlc.yaml'
	@go test -tags vet -timeout $(TIMEOUT) $(TESTFLAGS) -run '^TestVet$$' ./backend/internal/pg

# Outside the workspace, since it needs Kubernetes' own code; a minute or two on a
# cold cache.
.PHONY: verify/deploy
verify/deploy: ## Check manifests, images, Compose files and units against their own rules and the programs
	@echo '== what is in deploy/ fits the programs'
	@GOWORK=off go -C internal/tools/deploy test -timeout $(TIMEOUT) $(TESTFLAGS) ./...

.PHONY: vuln
vuln: bin/govulncheck ## Look for known vulnerabilities that the code reaches (asks the public database)
	@set -e; for m in $(MODULES); do \
		echo "== $$m"; \
		GOWORK=off bin/govulncheck -C "$$m" ./...; \
	done

# Those of the packages that are in the programs. Others, with a duty to publish, or
# unknown, fail; so does a package without a licence.
LICENCES := Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT

.PHONY: licences
licences: bin/go-licenses ## Fail when a dependency that is shipped has a licence that is not permissive
	@set -e; export GOWORK=off; for program in gateway backend; do \
		echo "== $$program"; \
		(cd $$program && ../bin/go-licenses check ./cmd/$$program --ignore gatehouse --allowed_licenses $(LICENCES) --stderrthreshold ERROR --logtostderr=false); \
	done

# What a release consists of, in dist/: the same bytes wherever it is built from the
# same commit with the same Go.
RELEASE_ARCHS ?= amd64 arm64

.PHONY: release
release: bin/cyclonedx-gomod ## Build dist/: archives, SBOMs, checksums and notes of a release (VERSION=v1.2.3)
	@set -e; version='$(VERSION)'; rm -rf dist; mkdir dist; \
	awk -v heading="## [$${version#v}]" 'index($$0, "## [") == 1 { on = index($$0, heading) == 1; next } on' CHANGELOG.md > dist/notes.md; \
	if ! grep -q . dist/notes.md; then echo "release: CHANGELOG.md has no section [$${version#v}]"; exit 1; fi; \
	for arch in $(RELEASE_ARCHS); do \
		name=gatehouse_$${version}_linux_$$arch; mkdir dist/$$name; \
		echo "== $$name"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -pgo=auto -trimpath -buildvcs=false -ldflags '-s -w $(LDFLAGS)' -o dist/$$name/ ./gateway/cmd/gateway ./backend/cmd/backend; \
		for program in gateway backend; do \
			bin/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$$version" -output dist/$${program}_$${version}_linux_$$arch.cdx.json dist/$$name/$$program; \
		done; \
		cp -r LICENSE README.md CHANGELOG.md .env.example deploy/systemd dist/$$name/; \
		tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --mtime="@$$(git log -1 --format=%ct)" -C dist -cf - $$name | gzip -n > dist/$$name.tar.gz; \
		rm -r dist/$$name; \
	done; \
	cd dist && sha256sum *.tar.gz *.cdx.json > checksums.txt

# With the SBOM and the provenance that BuildKit writes, for both processors. What
# was pushed stands in dist/images.txt, by digest.
.PHONY: release/images
release/images: ## Build and push both images (VERSION=v1.2.3 REGISTRY=ghcr.io/owner/gatehouse)
	@set -e; mkdir -p dist; : > dist/images.txt; \
	docker buildx inspect gatehouse >/dev/null 2>&1 || docker buildx create --name gatehouse --driver docker-container >/dev/null; \
	for program in gateway backend; do \
		image='$(REGISTRY)'/$$program; \
		docker buildx build --builder gatehouse --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max --push \
			-f deploy/docker/$$program.Dockerfile --build-arg VERSION='$(VERSION)' --build-arg REVISION="$$(git rev-parse HEAD)" \
			--metadata-file dist/$$program.metadata -t "$$image:$(VERSION)" .; \
		digest=$$(sed -n 's/.*"containerimage.digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' dist/$$program.metadata); \
		[ -n "$$digest" ]; rm dist/$$program.metadata; \
		echo "$$image@$$digest" >> dist/images.txt; \
		if [ -n "$${GITHUB_OUTPUT:-}" ]; then printf '%s=%s\n' "$$program" "$$image" "$$program-digest" "$$digest" >> "$$GITHUB_OUTPUT"; fi; \
	done

.PHONY: release/publish
release/publish: ## Publish dist/ as the release of a tag on GitHub (VERSION=v1.2.3)
	@printf '\nImages:\n\n' >> dist/notes.md; sed 's/.*/- `&`/' dist/images.txt >> dist/notes.md; \
	gh release create '$(VERSION)' --verify-tag --title '$(VERSION)' --notes-file dist/notes.md dist/*.tar.gz dist/*.cdx.json dist/checksums.txt dist/images.txt

# The test beside the files holds them to the sums of the version that it names.
SWAGGER_UI := 5.35.0

.PHONY: vendor/swagger-ui
vendor/swagger-ui: ## Fetch the files of Swagger UI that the API reference embeds (needs npm)
	@set -e; to="$(CURDIR)/gateway/internal/reference/swagger-ui"; \
	from=$$(mktemp -d); trap 'rm -rf "$$from"' EXIT; cd "$$from"; \
	npm pack --silent swagger-ui-dist@$(SWAGGER_UI) >/dev/null; tar -xzf swagger-ui-dist-$(SWAGGER_UI).tgz; \
	for f in swagger-ui-bundle.js swagger-ui.css; do gzip -9nc "package/$$f" > "$$to/$$f.gz"; done; \
	cp package/LICENSE package/NOTICE package/swagger-ui-bundle.js.LICENSE.txt "$$to"

.PHONY: clean
clean: ## Remove the development data and the built programs; the tools stay
	go run ./internal/stack/cmd/run -clean
	rm -f bin/gateway bin/backend bin/run bin/load

# Developer tools. Each go.mod pins its tools; a tool is built again when its
# go.mod or the Go version changes. Generated code is committed, so that
# running and testing need none of them.
TOOL_MODULES := internal/tools/sqlc internal/tools/golangci-lint internal/tools/light internal/tools/k6 internal/tools/deploy internal/tools/audit
TOOLS        := bin/sqlc bin/golangci-lint bin/actionlint bin/benchstat bin/govulncheck bin/go-licenses
GO_STAMP     := bin/.built-with-$(shell go env GOVERSION)

.PHONY: tools
tools: $(TOOLS) ## Build the developer tools into bin/, but for k6 and what only a release needs

bin/sqlc: internal/tools/sqlc/go.mod
bin/golangci-lint: internal/tools/golangci-lint/go.mod
bin/actionlint bin/benchstat bin/govulncheck: internal/tools/light/go.mod
bin/k6: internal/tools/k6/go.mod
bin/go-licenses bin/cyclonedx-gomod: internal/tools/audit/go.mod

# The last element of the import path, but for a major version, picks a tool out of
# those of its module. None needs a C compiler.
$(TOOLS) bin/k6 bin/cyclonedx-gomod: $(GO_STAMP)
	@set -e; module=$(patsubst %/go.mod,%,$(filter %/go.mod,$^)); \
	path=$$(GOWORK=off go -C "$$module" list tool | grep -E '/$(@F)(/v[0-9]+)?$$'); \
	echo "building $@ from $$module"; \
	CGO_ENABLED=0 GOWORK=off go -C "$$module" build -o '$(CURDIR)/$@' "$$path"

$(GO_STAMP):
	@mkdir -p bin; rm -f bin/.built-with-*; touch $@
