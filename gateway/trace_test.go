package gateway

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"gatehouse/gateway/internal/edge"
	"gatehouse/internal/telemetry"
)

// A backend hears of the trace that the client or a proxy names, and of a new one
// when they name none. Only a proxy of ours can have a request recorded.
func TestTraceParent(t *testing.T) {
	t.Parallel()
	const (
		trace  = "4bf92f3577b34da6a3ce929d0e0e4736"
		client = "00f067aa0ba902b7"
		parent = "00-" + trace + "-" + client + "-"
		fresh  = "^00-[0-9a-f]{32}-[0-9a-f]{16}-"
		within = "^00-" + trace + "-[0-9a-f]{16}-"
	)
	takes := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(takes.Close)
	for name, tc := range map[string]struct {
		off     bool
		trusted bool
		ratio   float64
		sent    []string
		want    string // of what the backend gets
	}{
		"off":                            {off: true, sent: []string{parent + "01"}, want: "^" + parent + "01$"},
		"off, and nothing sent":          {off: true, want: "^$"},
		"new":                            {ratio: 1, want: fresh + "01$"},
		"new, not recorded":              {ratio: 0, want: fresh + "00$"},
		"a client's":                     {ratio: 1, sent: []string{parent + "00"}, want: within + "01$"},
		"a client's that is not to be":   {ratio: 0, sent: []string{parent + "01"}, want: "^" + parent + "00$"},
		"a proxy's":                      {trusted: true, ratio: 0, sent: []string{parent + "01"}, want: within + "01$"},
		"a proxy's that is not to be":    {trusted: true, ratio: 1, sent: []string{parent + "00"}, want: "^" + parent + "00$"},
		"a proxy without":                {trusted: true, ratio: 1, want: fresh + "01$"},
		"malformed":                      {ratio: 0, sent: []string{parent + "01-more"}, want: fresh + "00$"},
		"two":                            {ratio: 0, sent: []string{parent + "01", parent + "01"}, want: fresh + "00$"},
		"a proxy's that nobody can read": {trusted: true, ratio: 1, sent: []string{"nonsense"}, want: fresh + "01$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *Config) {
				if !tc.off {
					c.Trace.Endpoint = takes.URL
				}
				c.Sample.Ratio = tc.ratio
				if tc.trusted {
					c.Edge.TrustedProxies = edge.Trust{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			request := "GET /things/7 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + r.token(t, "tenant1") + "\r\n"
			for _, parent := range tc.sent {
				request += "traceparent: " + parent + "\r\n"
			}
			if a := r.raw(t, request+"\r\n", "GET"); a.status != http.StatusOK {
				t.Fatalf("got %d: %s", a.status, a.body)
			}
			last, _ := r.backend.last()
			got := last.header["Traceparent"]
			if len(got) > 1 || !regexp.MustCompile(tc.want).MatchString(strings.Join(got, "")) {
				t.Errorf("the backend gets %q, want %s", got, tc.want)
			}
			if recorded := strings.HasSuffix(tc.want, "-01$"); recorded && !tc.off && strings.Contains(got[0], client) {
				t.Errorf("the backend gets %q, which is the client's own span", got)
			}
		})
	}
}

// openTraces returns a tracer whose collector takes everything.
func openTraces(tb testing.TB, ratio float64) *telemetry.Tracer {
	tb.Helper()
	takes := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	tb.Cleanup(takes.Close)
	traces, err := telemetry.OpenTraces(telemetry.TraceConfig{Endpoint: takes.URL}, "gateway", ratio, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(traces.Close)
	return traces
}

func answerOK(ex *edge.Exchange) {
	ex.Ctx.Response.Header.SetContentType("application/json")
	ex.Ctx.Response.SetBodyString(`{"message":"ok","data":{}}`)
}

// TestTraceAllocations: a request that is not recorded costs the name of its trace
// in the log and nothing else. What it costs without traces is held by
// TestPipelineAllocations. It is not parallel: AllocsPerRun counts what the whole
// process allocates.
func TestTraceAllocations(t *testing.T) {
	b := newTracedBench(t, plenty{}, openTraces(t, 0), answerOK)
	b.check(t)
	if got := testing.AllocsPerRun(2000, b.request); got > mostAllocations+1 {
		t.Errorf("%v allocations per request, want at most %d", got, mostAllocations+1)
	}
}

func BenchmarkTraces(b *testing.B) {
	for _, tc := range []struct {
		name  string
		ratio float64 // below 0 without traces
	}{{"off", -1}, {"out", 0}, {"recorded", 1}} {
		b.Run(tc.name, func(b *testing.B) {
			var traces *telemetry.Tracer
			if tc.ratio >= 0 {
				traces = openTraces(b, tc.ratio)
			}
			p := newTracedBench(b, plenty{}, traces, answerOK)
			p.check(b)
			b.ReportAllocs()
			for b.Loop() {
				p.request()
			}
		})
	}
}
