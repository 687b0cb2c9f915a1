package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/config"
	"gatehouse/internal/goldentest"
)

func TestReport(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"check_foreign.txt": func(c *Config) {
			c.DocumentFile, c.Limits.File = "internal/route/testdata/foreign.yaml", ""
			c.TLSAddr, c.HTTPAddr = ":8443", ":8080"
			if err := c.Edge.Redirect.UnmarshalText([]byte("443")); err != nil {
				t.Fatal(err)
			}
			c.Upstream.UpstreamCAFile = "/etc/gatehouse/backends.pem"
		},
		"check_limits.txt": limits(t, "public=30/1m,10", "free.write=none", "premium.user=9/1h,9 shadow 1/1h,1"),
	} {
		c := testConfig()
		c.Proxy.Backends = []string{"10.0.0.1:80", "10.0.0.2:80"}
		c.HTTPAddr, c.OpsAddr = "127.0.0.1:8080", "127.0.0.1:9090"
		change(&c)
		var b strings.Builder
		if err := c.Report(&b); err != nil {
			t.Fatal(err)
		}
		goldentest.Compare(t, name, b.String())
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1025: "1025 B", 1 << 20: "1 MiB", 3 << 19: "1536 KiB", 5 << 30: "5 GiB", 1 << 42: "4096 GiB",
	} {
		if got := size(bytes); got != want {
			t.Errorf("size(%d) = %s, want %s", bytes, got, want)
		}
	}
}

// TestMistakesOfADocument holds that those which only a gateway can find are
// found with the others, before it starts.
func TestMistakesOfADocument(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(file, []byte(`
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /a:
    get: {operationId: fly, security: [], x-rate-class: read, x-served-by: gateway, responses: {'200': {description: ok}}}
  /b:
    get: {operationId: swim, security: [], x-rate-class: read, x-served-by: gateway, responses: {'200': {description: ok}}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := goodEnv(t)
	env["OPENAPI_FILE"], env["JWT_SECRET"] = file, "short"
	var mistakes *config.Mistakes
	if _, err := load(environ(env)); !errors.As(err, &mistakes) || len(mistakes.Names()) != 2 ||
		!strings.Contains(err.Error(), `no operation "fly"`) || !strings.Contains(err.Error(), `no operation "swim"`) {
		t.Errorf("load = %v", err)
	}
	for _, name := range localOperations {
		if !strings.Contains(mustRead(t, "testdata/openapi.yaml"), "operationId: "+name+"\n") {
			t.Errorf("the gateway is not tested with operation %s", name)
		}
	}
}

func mustRead(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
