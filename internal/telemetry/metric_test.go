package telemetry_test

import (
	"regexp"
	"strings"
	"testing"

	"gatehouse/internal/telemetry"
)

// TestTableIsWellFormed holds the table to the conventions that make metrics
// read alike, and to what keeps their number bounded.
func TestTableIsWellFormed(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)+$|^revocations$`)
	seen := map[string]bool{}
	for _, m := range telemetry.Table() {
		foreign := strings.HasPrefix(m.Name, "go_") || strings.HasPrefix(m.Name, "process_")
		if seen[m.Name] {
			t.Errorf("%s is there twice", m.Name)
		}
		seen[m.Name] = true
		if !name.MatchString(m.Name) {
			t.Errorf("%s is no name for a metric", m.Name)
		}
		if m.Help == "" || strings.HasSuffix(m.Help, ".") || strings.ContainsAny(m.Help, "|\n") {
			t.Errorf("%s: help is %q; one sentence without its full stop is wanted", m.Name, m.Help)
		}
		if counter := strings.HasSuffix(m.Name, "_total"); counter != (m.Type == telemetry.Counter) && !foreign {
			t.Errorf("%s is a %s; a name ends in _total when it is a counter's", m.Name, m.Type)
		}
		if m.Type == telemetry.Histogram && !strings.HasSuffix(m.Name, "_seconds") {
			t.Errorf("%s is a histogram of no unit", m.Name)
		}
		if prefix, _, _ := strings.Cut(m.Name, "_"); prefix == "gateway" && m.Of != telemetry.Gateway || prefix == "backend" && m.Of != telemetry.Backend {
			t.Errorf("%s is of %s", m.Name, m.Of)
		}
		for _, l := range m.Labels {
			if (l.Form == nil) == (l.Values == nil) || (l.Form != nil) != (l.Holds != "") {
				t.Errorf("%s: label %s needs either values, or a form and what it holds", m.Name, l.Name)
			}
			if l.Bound < 1 || l.Bound > 200 {
				t.Errorf("%s: label %s is bounded by %d", m.Name, l.Name, l.Bound)
			}
			for _, word := range []string{"tenant", "user", "client", "address", "session", "token", "email", "request_id", "le"} {
				if l.Name == word {
					t.Errorf("%s: no metric may have the label %s", m.Name, l.Name)
				}
			}
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for series, want := range map[string]string{
		"gateway_http_requests_total":                  "gateway_http_requests_total",
		"gateway_http_request_duration_seconds":        "gateway_http_request_duration_seconds",
		"gateway_http_request_duration_seconds_bucket": "gateway_http_request_duration_seconds",
		"gateway_http_request_duration_seconds_sum":    "gateway_http_request_duration_seconds",
		"gateway_http_request_duration_seconds_count":  "gateway_http_request_duration_seconds",
		"go_gc_duration_seconds_sum":                   "go_gc_duration_seconds",
		"go_gc_forced_count":                           "go_gc_forced_count",
		"gateway_panics_total_count":                   "", // a counter has none
		"gateway":                                      "",
		"":                                             "",
	} {
		m, ok := telemetry.Find(series)
		if m.Name != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", series, m.Name, ok, want)
		}
	}
}

func TestLabelsAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		metric, label, value string
		want                 bool
	}{
		{"gateway_http_requests_total", "status", "2xx", true},
		{"gateway_http_requests_total", "status", "200", false},
		{"gateway_http_requests_total", "route", "/api/v1/users/{id}", true},
		{"gateway_http_requests_total", "route", "unmatched", true},
		{"gateway_http_requests_total", "route", "/a?b=c", false},
		{"gateway_proxy_in_flight", "backend", "10.0.0.1:8081", true},
		{"gateway_proxy_in_flight", "backend", "[::1]:8081", true},
		{"gateway_proxy_in_flight", "backend", "unix:/run/backend.sock", true},
		{"gateway_proxy_in_flight", "backend", "acme", false},
		{"config_file_stale", "file", "tls_certificate_12", true},
		{"config_file_stale", "file", "/etc/keys.json", false},
		{"backend_db_query_duration_seconds", "query", "GetContact", true},
		{"backend_db_query_duration_seconds", "query", "select 1", false},
	} {
		m, _ := telemetry.Find(c.metric)
		found := false
		for _, l := range m.Labels {
			if l.Name != c.label {
				continue
			}
			found = true
			if got := l.Allows(c.value); got != c.want {
				t.Errorf("%s{%s=%q}: got %v, want %v", c.metric, c.label, c.value, got, c.want)
			}
		}
		if !found {
			t.Errorf("%s has no label %s", c.metric, c.label)
		}
	}
}
