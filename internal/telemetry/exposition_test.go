package telemetry_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"gatehouse/internal/telemetry"
)

// TestWrite holds that each family comes once, whole, after its metadata, also
// when the library has its series apart.
func TestWrite(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := telemetry.Write(&out, func(w io.Writer) {
		_, _ = io.WriteString(w, `gateway_proxy_in_flight{backend="10.0.0.1:80"} 1
gateway_proxy_wait_seconds_total{backend="10.0.0.1:80"} 2
nobody_knows_this 7
gateway_proxy_in_flight{backend="10.0.0.2:80"} 3
backend_cache_lookup_seconds_sum 5
backend_cache_lookup_seconds_bucket{le="0.001"} 4
`)
	})
	if err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{`
# HELP gateway_proxy_in_flight Requests that are with the backend
# TYPE gateway_proxy_in_flight gauge
gateway_proxy_in_flight{backend="10.0.0.1:80"} 1
gateway_proxy_in_flight{backend="10.0.0.2:80"} 3
# HELP gateway_proxy_wait_seconds_total `, `
# TYPE backend_cache_lookup_seconds histogram
backend_cache_lookup_seconds_sum 5
backend_cache_lookup_seconds_bucket{le="0.001"} 4
`, `
nobody_knows_this 7
`, `
# TYPE gatehouse_build_info gauge
gatehouse_build_info{version="dev"} 1
`, `
# TYPE process_open_fds gauge
process_open_fds `, `
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} `} {
		if !strings.Contains(text, want) {
			t.Errorf("not there: %s", want)
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if seen[name] {
				t.Errorf("twice: %s", line)
			}
			seen[name] = true
		}
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteTellsOfFailures(t *testing.T) {
	t.Parallel()
	if err := telemetry.Write(broken{}, nil); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
}
