package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

const foreignSecret = "kT4zWq8LmB1xRv6NsY3cJp9HgD5fAe7U"

// shop is a service that knows nothing of Gatehouse. It answers everything with
// what it was asked.
type shop struct {
	mu    sync.Mutex
	asked []string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health/ready" { // asked by gateways; a shop has none
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.RequestURI)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "shop")
	fmt.Fprintf(w, "%s %s %s token=%v step-up=%s tenant=%s", r.Method, r.RequestURI, body,
		strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Step-Up"), r.Header.Get("X-Tenant-Id"))
}

// take returns what was asked since the last call.
func (s *shop) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// startGateway starts a gateway that has nothing but these settings, and
// returns where it serves plain HTTP.
func startGateway(t *testing.T, env []string) (base string) {
	t.Helper()
	var addrs []string
	for range 2 {
		port, err := stack.ReservePort()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(port.Release)
		addrs = append(addrs, port.Addr())
	}
	cmd := exec.Command(shared.Gateways[0].Path(), "serve")
	cmd.Env = append([]string{"GATEWAY_HTTP_ADDR=" + addrs[0], "GATEWAY_OPS_ADDR=" + addrs[1]}, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // Wait says whether it ended well
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("the gateway ended with %v:\n%s", err, out.Bytes())
		}
	})
	var health struct {
		Status string
		Checks map[string]struct{ Status string }
	}
	eventually(t, "the gateway is ready", func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addrs[1]+"/health/ready", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK && json.NewDecoder(answer.Body).Decode(&health) == nil
	})
	if health.Status != "degraded" || health.Checks["redis"].Status == health.Checks["keys"].Status {
		t.Errorf("without Redis the gateway is %+v", health)
	}
	return "http://" + addrs[0]
}

// TestForeignService puts the gateway in front of a service that is not ours,
// with a document of its own, no Redis, and no Gatehouse backend anywhere.
func TestForeignService(t *testing.T) {
	t.Parallel()
	s := &shop{}
	service := httptest.NewServer(s)
	defer service.Close()
	document, err := filepath.Abs("../../gateway/internal/route/testdata/foreign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"GATEWAY_TLS_ADDR=off", "BACKENDS=" + service.Listener.Addr().String(), "OPENAPI_FILE=" + document,
		"JWT_SECRET=" + foreignSecret, "REDIS_URL=redis://" + nowhere(t) + "/0", "LOG_FORMAT=json", "DRAIN_DELAY=0s",
	}
	out, code := program(t, shared.Gateways[0].Path(), append(env, "GATEWAY_HTTP_ADDR=127.0.0.1:0"), "check")
	if code != 0 || !strings.Contains(out, "\n  GET     /v2/status ") || strings.Contains(out, "/api/v1/") || strings.Contains(out, foreignSecret) {
		t.Errorf("check = %d\n%s", code, out)
	}

	base := startGateway(t, env)
	keys := token.NewKeyring(token.Config{Secret: config.Secret(foreignSecret), Issuer: "gatehouse", Audience: "gatehouse"}, time.Now)
	as := func(role token.Role) string {
		signed, err := keys.Sign(token.Claims{UserID: uuid.New(), Tenant: "acme", Username: "ana", Session: uuid.New(), Role: role}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	member, admin := as(token.Member), as(token.Admin)
	for _, c := range []struct {
		name, method, path, bearer, media, body string
		status                                  int
		want                                    string // within the answer
	}{
		{"public", "GET", "/v2/status", "", "", "", 200, "GET /v2/status  token=false"},
		{"a token on a public operation stays here", "GET", "/v2/status", member, "", "", 200, "token=false"},
		{"no token", "GET", "/v2/orders/7", "", "", "", 401, "unauthenticated"},
		{"a wrong token", "GET", "/v2/orders/7", member + "x", "", "", 401, "unauthenticated"},
		{"a token", "GET", "/v2/orders/7?a=b", member, "", "", 200, "GET /v2/orders/7?a=b  token=true step-up=1 tenant="},
		{"HEAD", "HEAD", "/v2/orders/7", member, "", "", 200, ""},
		{"a refused role", "DELETE", "/v2/orders/7", member, "", "", 403, "forbidden"},
		{"the role", "DELETE", "/v2/orders/7", admin, "", "", 200, "DELETE /v2/orders/7 "},
		{"a slash at the end", "GET", "/v2/orders/", member, "", "", 200, "GET /v2/orders/ "},
		{"no slash at the end", "GET", "/v2/orders", member, "", "", 404, "not_found"},
		{"a verb behind a colon", "POST", "/v2/orders/7:cancel", member, "", "", 200, "POST /v2/orders/7:cancel "},
		{"its other methods", "GET", "/v2/orders/7:cancel", member, "", "", 405, "method_not_allowed"},
		{"a suffix", "GET", "/v2/orders/7.pdf", member, "", "", 200, "GET /v2/orders/7.pdf "},
		{"a body", "POST", "/v2/orders/", member, "application/vnd.shop.order+json", `{"total":1}`, 200, `{"total":1}`},
		{"a body that is too large", "POST", "/v2/orders/", member, "application/json", strings.Repeat(" ", 2049), 413, "body_too_large"},
		{"a body of another type", "POST", "/v2/orders/", member, "text/plain", "x", 415, "unsupported_media_type"},
		{"without the base path", "GET", "/status", "", "", "", 404, "not_found"},
		{"unknown", "GET", "/v2/admin", admin, "", "", 404, "not_found"},
		{"another method", "PUT", "/v2/status", "", "", "", 405, "method_not_allowed"},
		{"our document", "GET", "/openapi.json", "", "", "", 404, "not_found"},
		{"our reference", "GET", "/docs", "", "", "", 404, "not_found"},
		{"our keys", "GET", "/.well-known/jwks.json", "", "", "", 404, "not_found"},
		{"our health", "GET", "/health", "", "", "", 404, "not_found"},
		{"our sign-in", "POST", "/api/v1/auth/login", "", "application/json", "{}", 404, "not_found"},
		{"our limits", "GET", "/api/v1/admin/limits/explain", admin, "", "", 404, "not_found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Step-Up", "1")
			if c.media != "" {
				request.Header.Set("Content-Type", c.media)
			}
			if c.bearer != "" {
				request.Header.Set("Authorization", "Bearer "+c.bearer)
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != c.status || !strings.Contains(string(body), c.want) {
				t.Errorf("got %d %s, want %d and %s", answer.StatusCode, body, c.status, c.want)
			}
			if answer.Header.Get("Server") != "" || answer.Header.Get("X-Request-Id") == "" {
				t.Errorf("headers = %v", answer.Header)
			}
			var want []string
			if c.status == http.StatusOK {
				want = []string{c.method + " " + c.path}
			}
			if got := s.take(); !slices.Equal(got, want) {
				t.Errorf("the service was asked %q, want %q", got, want)
			}
		})
	}
}

// TestForeignDocumentWithMistakes holds that both commands name all of them.
func TestForeignDocumentWithMistakes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(file, []byte(`
openapi: 3.0.0
info: {title: Shop, version: '1'}
paths:
  /a: {get: {responses: {'200': {description: ok}}}}
  /b: {trace: {x-rate-class: read, responses: {'200': {description: ok}}}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "serve"} {
		out, code := program(t, shared.Gateways[0].Path(), []string{"GATEWAY_TLS_ADDR=off", "GATEWAY_HTTP_ADDR=127.0.0.1:0", "OPENAPI_FILE=" + file}, command)
		for _, want := range []string{"JWT_SECRET", "REDIS_URL", "BACKENDS", "GET /a: x-rate-class is missing", "TRACE /b: the gateway does not serve this method"} {
			if code != 2 || !strings.Contains(out, want) {
				t.Errorf("%s = %d without %q:\n%s", command, code, want, out)
			}
		}
	}
}

// nowhere is an address on which nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	var l net.ListenConfig
	ln, err := l.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
