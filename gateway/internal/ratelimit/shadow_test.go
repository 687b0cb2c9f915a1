package ratelimit

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shadowYears keeps tests that share a server apart: each has hours of its own.
var shadowYears atomic.Int64

func TestShadowReport(t *testing.T) {
	t.Parallel()
	for _, server := range redisServers {
		t.Run(server.name, func(t *testing.T) {
			client := server.open(t)
			clock := time.Date(int(3000+shadowYears.Add(1)), 5, 4, 10, 59, 0, 0, time.UTC)
			now := func() time.Time { return clock }
			one, two := NewShadow(client, quiet, now), NewShadow(client, quiet, now)
			for range 3 {
				one.Note("user", "acme")
			}
			one.Note("public", "")
			one.Flush(t.Context())
			clock = clock.Add(2 * time.Minute) // another hour
			two.Note("user", "acme")
			two.Note("user", "globex")
			two.Note("user", "globex")
			two.Flush(t.Context())
			two.Flush(t.Context()) // nothing new

			rows, since, complete, err := one.Report(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := []ShadowRow{{"user", "acme", 4}, {"user", "globex", 2}, {"public", "", 1}}
			if diff := cmp.Diff(want, rows); diff != "" || !complete {
				t.Errorf("complete %v (-want +got):\n%s", complete, diff)
			}
			if want := clock.Truncate(time.Hour).Add(-23 * time.Hour); !since.Equal(want) {
				t.Errorf("since %v, want %v", since, want)
			}
			if ttl := client.TTL(t.Context(), hourKey(clock)).Val(); ttl <= 24*time.Hour || ttl > 25*time.Hour {
				t.Errorf("the counts of an hour live for %v", ttl)
			}

			clock = clock.Add(23 * time.Hour)
			if rows, _, _, err = one.Report(t.Context()); err != nil || len(rows) != 2 || rows[0].Requests != 2 || rows[1].Requests != 1 {
				t.Errorf("a day later: %v %v, want the second hour alone", rows, err)
			}
		})
	}
}

func TestShadowIsBounded(t *testing.T) {
	// Not parallel: it reads the process's counters.
	client := redisServers[0].open(t)
	clock := time.Date(int(3000+shadowYears.Add(1)), 5, 4, 10, 30, 0, 0, time.UTC)
	s := NewShadow(client, quiet, func() time.Time { return clock })
	before := shadowDropped.Get()
	for i := range maxShadow + 5 {
		s.Note("user", fmt.Sprint("tenant", i))
	}
	s.Flush(t.Context())
	if got := shadowDropped.Get() - before; got != 5 {
		t.Errorf("%d counts were dropped, want 5", got)
	}
	s.Note("user", "one-too-many")
	s.Note("user", "tenant7")
	s.Flush(t.Context())
	rows, _, complete, err := s.Report(t.Context())
	if err != nil || len(rows) != maxReport || complete {
		t.Fatalf("%d rows, complete %v, %v; want a report that says it is not complete", len(rows), complete, err)
	}
	if rows[0].Tenant != "tenant7" || rows[0].Requests != 2 {
		t.Errorf("the greatest count is %+v, want tenant7 with 2", rows[0])
	}
	if n := client.HLen(t.Context(), hourKey(clock)).Val(); n != maxShadow+1 {
		t.Errorf("%d counts in Redis, want %d and the one for the rest", n, maxShadow)
	}
}
