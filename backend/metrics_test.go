package backend

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

// exposed returns what this process counts, by the name and labels of a series.
func exposed() map[string]int {
	var text bytes.Buffer
	metrics.WritePrometheus(&text, false)
	all := map[string]int{}
	for line := range strings.Lines(text.String()) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.Atoi(value); err == nil {
			all[name] = n
		}
	}
	return all
}

// TestSessionsAreCounted is not parallel: the counters are those of the whole
// process.
func TestSessionsAreCounted(t *testing.T) {
	s := newTestServer(t)
	const refreshes = "backend_auth_refreshes_total"
	first := s.signup("acme", "dora")
	before := exposed()
	second := s.refreshed(first.Refresh)
	s.refresh(first.Refresh).problem(t, 401, "invalid_refresh_token")  // reused
	s.refresh(second.Refresh).problem(t, 401, "invalid_refresh_token") // of a session that has ended
	s.refresh("acme.nothing").problem(t, 401, "invalid_refresh_token")
	for range 2 {
		s.login("acme", "dora")
	}
	third := s.login("acme", "dora")
	for range 30 {
		third = s.refreshed(third.Refresh)
	}
	s.refresh(third.Refresh).problem(t, 429, "rate_limited")
	s.do("POST", "/api/v1/auth/logout-all", third.Access, nil).want(t, 200)
	after := exposed()
	for name, want := range map[string]int{
		refreshes + `{outcome="ok"}`:                           31,
		refreshes + `{outcome="reused"}`:                       1,
		refreshes + `{outcome="refused"}`:                      2,
		refreshes + `{outcome="limited"}`:                      1,
		refreshes + `{outcome="error"}`:                        0,
		"backend_sessions_ended_total":                         4,
		`backend_auth_logins_total{outcome="ok"}`:              3,
		`backend_password_hash_duration_seconds_count`:         3,
		"backend_http_in_flight":                               0,
		`backend_security_events_total{event="refresh_reuse"}`: 1,
	} {
		if got := after[name] - before[name]; got != want {
			t.Errorf("%s grew by %d, want %d", name, got, want)
		}
	}
}
