package edge

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"gatehouse/gateway/internal/route"
	"gatehouse/internal/telemetry"
)

// A WebSocket counts with the time of its handshake; its line tells how long it
// lived.
func TestDurationOfWebSockets(t *testing.T) {
	t.Parallel()
	const template = "/of-an-hour"
	var log bytes.Buffer
	handler := Chain(func(ex *Exchange) {
		ex.Upstream = time.Millisecond
		ex.Ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
	}, AccessLog(slog.New(slog.NewTextHandler(&log, nil))))
	handler(&Exchange{
		Ctx: &fasthttp.RequestCtx{}, Start: time.Now().Add(-time.Hour),
		Route: &route.Route{Template: template, Metrics: telemetry.NewRoute("gateway", "GET", template)},
	})
	if !strings.Contains(log.String(), "duration_ms=3.6") {
		t.Errorf("the line is %s", log.String())
	}
	var text bytes.Buffer
	metrics.WritePrometheus(&text, false)
	for line := range strings.Lines(text.String()) {
		var seconds float64
		if strings.Contains(line, "_sum{") && strings.Contains(line, template) {
			if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &seconds); err != nil || seconds > 1 { // of a test that may run again
				t.Errorf("%s, want the handshake", line)
			}
			return
		}
	}
	t.Error("nothing was counted")
}
