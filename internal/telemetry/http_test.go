package telemetry_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/internal/goldentest"
	"gatehouse/internal/telemetry"
)

// samples returns what Prometheus would read, of the metrics with this prefix.
func samples(prefix string) string {
	var all bytes.Buffer
	metrics.WritePrometheus(&all, false)
	var own strings.Builder
	for line := range strings.Lines(all.String()) {
		if strings.HasPrefix(line, prefix) {
			own.WriteString(line)
		}
	}
	return own.String()
}

var runs atomic.Int32

// newPrefix returns a prefix of its own: metrics live as long as the process,
// and a test may run several times in it.
func newPrefix() string { return fmt.Sprintf("test%d", runs.Add(1)) }

// TestRouteMetrics keeps names, labels and buckets: dashboards and alerts are
// built on them.
func TestRouteMetrics(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	read := telemetry.NewRoute(prefix, "GET", "/api/v1/address-book/{id}")
	write := telemetry.NewRoute(prefix, "POST", "/api/v1/address-book")
	for _, status := range []int{100, 200, 201, 299, 301, 400, 404, 429, 499, 500, 599} {
		read.Observe(status, 250*time.Millisecond)
	}
	write.Observe(201, 500*time.Microsecond) // the edge of a bucket belongs to it
	write.Observe(503, time.Minute)
	goldentest.Compare(t, "route.txt", strings.ReplaceAll(samples(prefix+"_"), prefix, "prefix"))
}

func TestStatusesThatDoNotExistAreTimedOnly(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	r := telemetry.NewRoute(prefix, "GET", "/x")
	for _, status := range []int{0, 99, 600, 1000, -1, -200} {
		r.Observe(status, time.Second)
	}
	for line := range strings.Lines(samples(prefix + "_http_requests_total")) {
		if !strings.HasSuffix(line, " 0\n") {
			t.Errorf("a request is counted: %s", line)
		}
	}
	count := prefix + "_http_request_duration_seconds_count"
	if got, want := samples(count), count+`{method="GET",route="/x"} 6`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheSameRouteSharesItsCounters(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	telemetry.NewRoute(prefix, "GET", "/x").Observe(200, time.Second)
	telemetry.NewRoute(prefix, "GET", "/x").Observe(200, time.Second)
	want := prefix + `_http_requests_total{method="GET",route="/x",status="2xx"} 2` + "\n"
	if got := samples(prefix + "_"); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
}

func TestObserveIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	r := telemetry.NewRoute(prefix, "GET", "/x")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				r.Observe(200, time.Millisecond)
			}
		})
	}
	wg.Wait()
	want := prefix + `_http_requests_total{method="GET",route="/x",status="2xx"} 8000` + "\n"
	if got := samples(prefix + "_"); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
}

// TestObserveAllocatesNothing is not parallel: AllocsPerRun counts what the
// whole process allocates.
func TestObserveAllocatesNothing(t *testing.T) {
	r := telemetry.NewRoute(newPrefix(), "GET", "/x")
	if n := testing.AllocsPerRun(100, func() { r.Observe(200, time.Millisecond) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
