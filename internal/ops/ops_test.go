package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"gatehouse/internal/goldentest"
	"gatehouse/internal/health"
	"gatehouse/internal/ops"
)

var testCounter = metrics.NewCounter(`ops_test_total{kind="seven"}`)

// serve starts an ops server on a listener until the test ends.
func serve(t *testing.T, ln net.Listener, checks ...health.Check) *health.Checker {
	t.Helper()
	checker := health.NewChecker(checks...)
	server := ops.New(checker, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return checker
}

// client starts an ops server in memory and returns a way to ask it.
func client(t *testing.T, checks ...health.Check) (func(method, path string, body io.Reader) (*http.Response, string), *health.Checker) {
	t.Helper()
	ln := fasthttputil.NewInmemoryListener()
	checker := serve(t, ln, checks...)
	c := &http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return ln.Dial() },
		DisableKeepAlives: true,
	}}
	return func(method, path string, body io.Reader) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://ops"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
			}
		}
		if got := resp.Header.Get("Server"); strings.ContainsAny(got, "/0123456789") {
			t.Errorf("%s %s: the Server header %q names a version", method, path, got)
		}
		return resp, string(text)
	}, checker
}

func answers(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	ask, _ := client(t)
	testCounter.Set(7)
	resp, text := ask("GET", "/metrics", nil)
	if got, want := resp.Header.Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8"; resp.StatusCode != 200 || got != want {
		t.Errorf("got %d with %q, want 200 with %q", resp.StatusCode, got, want)
	}
	seen := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		if i < 0 {
			t.Fatalf("%q is no sample", line)
		}
		if _, err := strconv.ParseFloat(line[i+1:], 64); err != nil {
			t.Errorf("%q has no value: %v", line, err)
		}
		seen[line[:i]] = line[i+1:]
	}
	if got := seen[`ops_test_total{kind="seven"}`]; got != "7" {
		t.Errorf("the counter is %q, want 7", got)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "process_cpu_seconds_total"} {
		if seen[name] == "" {
			t.Errorf("%s is absent", name)
		}
	}
}

// What the process lacks is told by the scrape itself.
func TestMetricsTellOfHealth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		database, redis error
		drain           bool
		want            string
	}{
		{"healthy", nil, nil, false, "1 1 1"},
		{"degraded", nil, errors.New("down"), false, "1 1 0"},
		{"unhealthy", errors.New("down"), nil, false, "0 0 1"},
		{"draining", nil, nil, true, "0 1 1"},
	} {
		ask, checker := client(t,
			health.Check{Name: "redis", Run: answers(c.redis)},
			health.Check{Name: "database", Required: true, Run: answers(c.database)},
		)
		if c.drain {
			checker.Drain()
		}
		_, text := ask("GET", "/metrics", nil)
		var got []string
		for _, series := range []string{"health_ready", `health_check_up{check="database"}`, `health_check_up{check="redis"}`} {
			_, rest, _ := strings.Cut(text, "\n"+series+" ")
			value, _, _ := strings.Cut(rest, "\n")
			got = append(got, value)
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLiveAsksNoDependency(t *testing.T) {
	t.Parallel()
	ask, checker := client(t, health.Check{Name: "database", Required: true, Run: func(context.Context) error {
		t.Error("the database is asked")
		return errors.New("down")
	}})
	checker.Drain()
	resp, text := ask("GET", "/health/live", nil)
	if resp.StatusCode != 200 || text != `{"status":"healthy"}`+"\n" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s with %q", resp.StatusCode, text, resp.Header.Get("Content-Type"))
	}
}

// changing is what differs from run to run.
var changing = regexp.MustCompile(`("uptime"|"latency_ms"):[0-9]+`)

func TestReady(t *testing.T) {
	t.Parallel()
	down := errors.New(`dial tcp 127.0.0.1:5432: "refused"`)
	for _, c := range []struct {
		name            string
		database, redis error
		drain           bool
		status          int
	}{
		{"healthy", nil, nil, false, 200},
		{"degraded", nil, down, false, 200},
		{"unhealthy", down, nil, false, 503},
		{"draining", nil, nil, true, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ask, checker := client(t,
				health.Check{Name: "redis", Run: answers(c.redis)},
				health.Check{Name: "database", Required: true, Run: answers(c.database)},
			)
			if c.drain {
				checker.Drain()
			}
			resp, text := ask("GET", "/health/ready", nil)
			if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %d with %q, want %d with JSON", resp.StatusCode, resp.Header.Get("Content-Type"), c.status)
			}
			goldentest.Compare(t, "ready_"+c.name+".json", changing.ReplaceAllString(text, "$1:0"))
		})
	}
}

// TestReadyDoesNotWaitForAHungCheck takes a second: the bound is on the clock of
// a real server.
func TestReadyDoesNotWaitForAHungCheck(t *testing.T) {
	t.Parallel()
	recovered := make(chan struct{})
	defer close(recovered)
	ask, _ := client(t, health.Check{Name: "database", Required: true, Run: func(ctx context.Context) error {
		<-recovered
		return ctx.Err()
	}})
	resp, text := ask("GET", "/health/ready", nil)
	var report health.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 503 || report.Status != health.Unhealthy || report.Checks["database"].Error != "no answer in time" {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	ask, _ := client(t)
	for path, want := range map[string]struct{ contentType, content string }{
		"/debug/pprof/":                  {"text/html; charset=utf-8", "goroutine?debug=1"},
		"/debug/pprof/goroutine?debug=1": {"text/plain; charset=utf-8", "goroutine profile: total"},
		"/debug/pprof/heap":              {"application/octet-stream", "\x1f\x8b"},
		"/debug/pprof/cmdline":           {"text/plain; charset=utf-8", os.Args[0]},
		"/debug/pprof/symbol":            {"text/plain; charset=utf-8", "num_symbols"},
	} {
		resp, text := ask("GET", path, nil)
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != want.contentType || !strings.Contains(text, want.content) {
			t.Errorf("%s: got %d with %q and %.200q, want 200 with %q and %q",
				path, resp.StatusCode, got, text, want.contentType, want.content)
		}
	}
	// go tool pprof asks for symbols by POST.
	if resp, text := ask("POST", "/debug/pprof/symbol", strings.NewReader("0x0")); resp.StatusCode != 200 || !strings.Contains(text, "num_symbols") {
		t.Errorf("POST symbol: got %d %q", resp.StatusCode, text)
	}
	if resp, _ := ask("GET", "/debug/pprof/nothing", nil); resp.StatusCode != 404 {
		t.Errorf("an unknown profile: got %d, want 404", resp.StatusCode)
	}
}

func TestUnknownPathsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	ask, _ := client(t)
	for _, path := range []string{"/", "/health", "/metrics/", "/metricsx", "/health/ready/", "/debug/pprof", "/debug/vars", "/api/v1/ping"} {
		resp, text := ask("GET", path, nil)
		if resp.StatusCode != 404 || !strings.Contains(text, "/metrics") {
			t.Errorf("%s: got %d %q, want 404", path, resp.StatusCode, text)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	ask, _ := client(t)
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		resp, _ := ask(method, "/health/ready", nil)
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: got %d with Allow %q, want 405", method, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/metrics", "/health/live", "/health/ready"} {
		if resp, text := ask("HEAD", path, nil); resp.StatusCode != 200 || text != "" {
			t.Errorf("HEAD %s: got %d with %d bytes, want 200 with none", path, resp.StatusCode, len(text))
		}
	}
}

func TestLargeBodiesAreRefused(t *testing.T) {
	t.Parallel()
	ln := fasthttputil.NewInmemoryListener()
	serve(t, ln)
	conn, err := ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := "POST /debug/pprof/symbol HTTP/1.1\r\nHost: ops\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n" +
		strings.Repeat("0", 5000)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
		t.Errorf("got %.60q, want a refusal", answer)
	}
}

// listen returns a listener on a free port of the loopback, and the port.
func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return ln, port
}

func TestProbeKnowsEveryFormOfTheAddress(t *testing.T) {
	t.Parallel()
	ln, port := listen(t)
	serve(t, ln)
	for _, host := range []string{"127.0.0.1", "", "0.0.0.0", "[::]", "localhost"} {
		if err := ops.Probe(t.Context(), host+":"+port); err != nil {
			t.Errorf("%s:PORT: %v", host, err)
		}
	}
}

func TestProbeRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"", "9090", "127.0.0.1", "a:b:c", "127.0.0.1:http/x", "bad host:1"} {
		if err := ops.Probe(t.Context(), addr); err == nil {
			t.Errorf("%q: no error", addr)
		}
	}
}

func TestProbeTellsWhatIsNotReady(t *testing.T) {
	t.Parallel()
	ln, port := listen(t)
	checker := serve(t, ln, health.Check{Name: "redis", Run: answers(errors.New("connection refused"))})
	if err := ops.Probe(t.Context(), ":"+port); err != nil {
		t.Errorf("degraded: %v", err)
	}
	checker.Drain()
	err := ops.Probe(t.Context(), ":"+port)
	if err == nil {
		t.Fatal("a draining process is ready")
	}
	for _, part := range []string{"not ready", `"status":"draining"`, "connection refused"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than a line", err)
	}
}

func TestProbeFailsWhenNobodyListens(t *testing.T) {
	t.Parallel()
	ln, port := listen(t)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ops.Probe(t.Context(), ":"+port); err == nil {
		t.Error("a closed port is ready")
	}
}

func TestProbeFailsWhenSomebodyElseListens(t *testing.T) {
	t.Parallel()
	ln, port := listen(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
		}
	}()
	if err := ops.Probe(t.Context(), ":"+port); err == nil {
		t.Error("another server's 404 is ready")
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, port := listen(t) // connections wait in its backlog, and nobody answers
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ops.Probe(ctx, ":"+port); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// A process's own page is beside what all have, and found without its last slash.
func TestPages(t *testing.T) {
	t.Parallel()
	server := ops.New(health.NewChecker(), slog.New(slog.DiscardHandler), ops.Page{
		Prefix: "/page/",
		Handle: func(ctx *fasthttp.RequestCtx) { _, _ = ctx.Write(ctx.Path()) },
	})
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	c := &http.Client{
		Transport: &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return ln.Dial() },
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for path, want := range map[string]string{
		"/page/":    "200  /page/",
		"/page/x/y": "200  /page/x/y",
		"/page":     "301 /page/ ",
		"/pages":    "404  not found; here are /metrics, /health/live, /health/ready, /page/ and /debug/pprof/",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ops"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %s %s", resp.StatusCode, resp.Header.Get("Location"), body); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
