package web

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/telemetry"
)

// Only a gateway has a request recorded, and what a handler asks of others stands
// in the handler's span.
func TestWhoIsRecorded(t *testing.T) {
	t.Parallel()
	takes := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(takes.Close)
	log := slog.New(slog.DiscardHandler)
	traces, err := telemetry.OpenTraces(telemetry.TraceConfig{Endpoint: takes.URL}, "backend", 1, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traces.Close)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"
	gateway := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, tc := range map[string]struct {
		peer    string
		parents []string
		want    bool
	}{
		"a gateway":                         {"10.0.0.1", []string{parent + "1"}, true},
		"a gateway that wants no recording": {"10.0.0.1", []string{parent + "0"}, false},
		"a gateway without a trace":         {"10.0.0.1", nil, false},
		"two traces":                        {"10.0.0.1", []string{parent + "1", parent + "1"}, false},
		"somebody else":                     {"192.0.2.1", []string{parent + "1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := &App{Log: log, Traces: traces, Trusted: gateway, Timeout: time.Minute}
			recorded := false
			serve := app.serve(Route{Method: "GET", Path: "/test/traced", Access: Public, Handle: func(r *Request) error {
				recorded = r.span != nil
				if inside := telemetry.SpanOf(r.Context()); (inside != nil) != recorded || inside != nil && inside == r.span {
					t.Errorf("the handler works in %v", inside)
				}
				return r.OK("ok", Nothing{})
			}})
			var request fasthttp.Request
			request.SetRequestURI("/test/traced")
			for _, p := range tc.parents {
				request.Header.Add(telemetry.TraceParent, p)
			}
			var ctx fasthttp.RequestCtx
			ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(tc.peer), Port: 1}, nil)
			serve(&ctx)
			if status := ctx.Response.StatusCode(); status != fasthttp.StatusOK || recorded != tc.want {
				t.Errorf("got %d, recorded %v, want %v", status, recorded, tc.want)
			}
		})
	}
}
