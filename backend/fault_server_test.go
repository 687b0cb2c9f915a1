package backend

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/config"
	"gatehouse/internal/stack"
)

// A server that dies inside transactions, as by a power cut, leaves nothing half
// done: what was under way is a 503, and can be repeated when the server is back.
func TestServerDiesInsideTransactions(t *testing.T) {
	t.Parallel()
	server, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{Settings: []string{"synchronous_commit=on", "full_page_writes=on"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	password := rand.Text()
	dbtest.Exec(t, config.Secret(server.AdminURL()), fmt.Sprintf("create role own login createrole password '%s'", password))
	dbtest.Exec(t, config.Secret(server.AdminURL()), "create database own owner own")
	s := newTestServer(t)
	s.newTenant(s.newOperator(), "own", "open", config.Secret(server.URL("own", password, "own")))
	ana := s.signup("own", "ana").Access
	admin := config.Secret(strings.Replace(server.AdminURL(), "/postgres?", "/own?", 1))
	rows := func() map[string][]string { return dbtest.TenantRows(t, dbtest.Connect(t, admin), "own") }
	before := rows()

	requests := []func() answer{
		func() answer { return s.importFile(ana, "text/csv", "", csvHeader+strings.Repeat(goodLine, 2500)) },
		func() answer {
			return s.do("POST", "/api/v1/address-book", ana, contactBody(), "Idempotency-Key", "once")
		},
		func() answer { return s.do("POST", "/api/v1/address-book", ana, contactBody()) },
	}
	hold, err := dbtest.Connect(t, admin).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Exec(t.Context(), "lock table tenant.contacts in share mode"); err != nil { // which lets others read
		t.Fatal(err)
	}
	answers := make(chan answer, len(requests))
	for _, request := range requests {
		go func() { answers <- request() }()
	}
	for dbtest.Value[int](t, admin, "select count(*)::int from pg_locks where not granted") < len(requests) {
		if t.Context().Err() != nil {
			t.Fatal("not every request waits for the lock")
		}
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	for range requests {
		a := <-answers
		if p := a.problem(t, 503, "unavailable"); a.Header.Get("Retry-After") == "" {
			t.Errorf("got %+v without Retry-After", p)
		}
	}
	s.do("GET", "/api/v1/ping", "", nil).want(t, 200)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := rows()
	for _, table := range []string{"contacts", "idempotency_keys", "audit"} {
		if len(after[table]) != len(before[table]) {
			t.Errorf("%d rows of %s are left, there were %d", len(after[table]), table, len(before[table]))
		}
	}
	for _, request := range requests {
		a := request()
		for a.StatusCode == 503 && t.Context().Err() == nil { // until the breaker tries again
			a = request()
		}
		if a.StatusCode >= 300 || a.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("again: got %d: %s", a.StatusCode, a.body)
		}
	}
	if n := len(rows()["contacts"]); n != 2502 {
		t.Errorf("got %d contacts", n)
	}
}
