package backend

import (
	"log/slog"
	"testing"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/backend/internal/housekeeping"
	"gatehouse/internal/config"
)

// What clients are promised holds through a round of housekeeping: a stolen
// refresh token is noticed, a kept answer is given again, and failures go on
// counting.
func TestHousekeepingLeavesWhatMatters(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	keeper := housekeeping.New(housekeeping.Options{
		Config: housekeeping.Config{HistoryDays: 1}, Maint: dbtest.Open(t, s.db.MaintURL), Directory: s.directory(testSecret),
		TenantHash: func(id string) string { return id }, Log: slog.New(slog.NewTextHandler(s.logs, nil)),
	})
	first := s.signup("acme", "dora")
	second := s.refreshed(first.Refresh)
	contact := contactBody()
	created := s.do("POST", "/api/v1/address-book", second.Access, contact, "Idempotency-Key", "once").want(t, 201)
	for range 5 {
		s.tryLogin("acme", "dora", "Wrong-Horse-7", "192.0.2.1").problem(t, 401, "invalid_credentials")
	}

	keeper.Round(t.Context())

	again := s.do("POST", "/api/v1/address-book", second.Access, contact, "Idempotency-Key", "once").want(t, 201)
	if string(again.body) != string(created.body) {
		t.Errorf("got %s, want %s", again.body, created.body)
	}
	s.tryLogin("acme", "dora", testPassword, "192.0.2.1").problem(t, 401, "invalid_credentials")
	s.refresh(first.Refresh).problem(t, 401, "invalid_refresh_token")
	s.do("GET", "/api/v1/auth/me", second.Access, nil).problem(t, 401, "unauthenticated")
	if reason := s.revokedFor(); reason != "reuse" {
		t.Errorf("the session is %q", reason)
	}
}

func TestHousekeepingIsConfigured(t *testing.T) {
	t.Parallel()
	var m config.Mistakes
	c := Config{Keeping: housekeeping.Config{Interval: 1, HistoryDays: 0}}
	c.Validate(&m)
	found := map[string]bool{}
	for _, name := range m.Names() {
		found[name] = true
	}
	if !found["HOUSEKEEPING_INTERVAL"] || !found["LOGIN_HISTORY_DAYS"] {
		t.Errorf("got %q", m.Names())
	}
}
