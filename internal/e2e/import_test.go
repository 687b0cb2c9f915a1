package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"gatehouse/internal/stack"
)

// goPackage is what `go list -json` tells of a package.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// forbidden lists imports that nobody matching from may have, tests aside.
var forbidden = []struct{ from, to, why string }{
	{`^gatehouse/gateway(/|$)`, `^gatehouse/backend(/|$)`, "gateway and backend never import each other"},
	{`^gatehouse/backend(/|$)`, `^gatehouse/gateway(/|$)`, "gateway and backend never import each other"},
	{`^gatehouse/(internal|api|sql)(/|$)`, `^gatehouse/(gateway|backend)(/|$)`, "the root module knows neither"},
	{`^gatehouse/(gateway|backend)/internal/`, `^gatehouse/(gateway|backend)$`, "never upwards"},
	{`^gatehouse/backend/internal/(auth|session|user|tenant|override|contact|audit|housekeeping|logstream)$`, `^gatehouse/backend/internal/(auth|session|user|tenant|override|contact|audit|housekeeping|logstream)$`, "features never import features"},
	{`^gatehouse/internal/(config|feed|health|limit|logging|logtail|problem|redisconn|requestid|revocation|token|telemetry|watch)$`,
		`^(github.com/valyala/fasthttp|github.com/fasthttp/|net/http$)`, "HTTP stays at the rim"},
	{`^gatehouse/backend/internal/(announce|field|housekeeping|password|pg|placement|trail|tenantdb|controldb)$`,
		`^(github.com/valyala/fasthttp|github.com/fasthttp/|net/http$)`, "HTTP stays at the rim"},
	{`^gatehouse/(?:[^t]|t[^o])`, `^github.com/golang-jwt/`, "golang-jwt only in token"},
	{`^gatehouse/(?:internal/(?:config|health|limit|logging|ops|problem|requestid|revocation|telemetry|token|watch)|backend|gateway/internal/(?:edge|keys|route|proxy)|gateway$)`,
		`^github.com/redis/`, "go-redis only in redisconn, ratelimit and feed"},
	{`^gatehouse/(?:internal|gateway|backend$|backend/cmd|backend/internal/(?:announce|housekeeping|logstream|web|field|password))`, `^github.com/jackc/`, "pgx only in pg, placement, stores and generated code"},
	{`^gatehouse/`, `^go\.opentelemetry\.io/`, "OpenTelemetry only in telemetry"},
	{`^gatehouse/`, `^gatehouse/(internal/stack|backend/internal/dbtest)$`, "for tests, make run and load tests only"},
}

var exempt = regexp.MustCompile(`^gatehouse/internal/token .*golang-jwt|^gatehouse/internal/telemetry go\.opentelemetry|^gatehouse/internal/stack/cmd/|^gatehouse/backend/internal/dbtest gatehouse/internal/stack|^gatehouse/internal/e2e |^gatehouse/loadtest/`)

func TestWhoImportsWhom(t *testing.T) {
	t.Parallel()
	root, err := stack.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "work")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; packages++ {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		check(t, p)
	}
	if packages < 20 {
		t.Errorf("found %d packages only", packages)
	}
}

func check(t *testing.T, p goPackage) {
	for _, rule := range forbidden {
		if !regexp.MustCompile(rule.from).MatchString(p.ImportPath) {
			continue
		}
		for _, imported := range p.Imports {
			if imported == p.ImportPath || exempt.MatchString(p.ImportPath+" "+imported) {
				continue
			}
			if regexp.MustCompile(rule.to).MatchString(imported) {
				t.Errorf("%s imports %s: %s", strings.TrimPrefix(p.ImportPath, "gatehouse/"), imported, rule.why)
			}
		}
	}
}
