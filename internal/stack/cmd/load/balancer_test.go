package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/stack"
)

// door is a gateway as a balancer sees it: what answers is its name.
func door(t *testing.T, name string, ready *atomic.Bool) *member {
	t.Helper()
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	front := serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	ops := serve(func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return &member{address: strings.TrimPrefix(front, "http://"), ops: ops}
}

// ask sends a request over a connection of its own; "" is no answer.
func ask(t *testing.T, b *balancer) string {
	t.Helper()
	conn, err := net.Dial("tcp", b.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	answer, _ := io.ReadAll(conn)
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	return body
}

// Connections go in turn to those that are ready, past those that are gone, and are
// ended where there is nobody.
func TestBalancer(t *testing.T) {
	t.Parallel()
	var ready [2]atomic.Bool
	ready[0].Store(true)
	ready[1].Store(true)
	gone := door(t, "gone", &ready[0])
	gone.address = "127.0.0.1:1"
	b, err := balance(t.Context(), []*member{door(t, "a", &ready[0]), gone, door(t, "b", &ready[1])})
	if err != nil {
		t.Fatal(err)
	}
	answers := func() (all string) {
		for range 6 {
			all += ask(t, b)
		}
		return all
	}
	if all := answers(); strings.Count(all, "a")+strings.Count(all, "b") != 6 || !strings.Contains(all, "a") || !strings.Contains(all, "b") {
		t.Errorf("got %q", all)
	}
	ready[0].Store(false)
	b.probe(t.Context())
	if all := answers(); all != "bbbbbb" {
		t.Errorf("with b alone: got %q", all)
	}
	ready[1].Store(false)
	b.probe(t.Context())
	if all := answers(); all != "" {
		t.Errorf("with nobody: got %q", all)
	}
}

// Its end is the end of what it passes on.
func TestBalancerEnds(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	ready.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	b, err := balance(ctx, []*member{door(t, "a", &ready)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", b.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if ask(t, b) != "a" { // so the one before was passed on, too
		t.Fatal("no answer")
	}
	cancel()
	b.running.Wait()
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
}

// A page says what became of the restarts, also where k6 saw nothing wrong.
func TestRoundsOnThePage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rounds rounds
		want   string
	}{
		{rounds{}, ""},
		{rounds{number: 5}, "restarted 5 times"},
		{rounds{0, errTooShort}, "**Failed** in round 1: the run ended before"},
	} {
		if got := tc.rounds.String(); !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// Everything is restarted as often as there is time for it, and twice in any case. A run
// that ends before that fails.
func TestRestarts(t *testing.T) {
	t.Parallel()
	s, err := stack.Start(t.Context(), stack.Options{Gateways: 2, Backends: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	pids := func() (all []int) {
		for _, g := range s.Gateways {
			all = append(all, g.PID())
		}
		for _, b := range s.Backends {
			all = append(all, b.PID())
		}
		return all
	}
	before := pids()
	n, err := restarts(t.Context(), s, 0)
	if n != 2 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	for i, pid := range pids() {
		if pid == before[i] {
			t.Errorf("process %d is the same", i)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, length := range []time.Duration{0, time.Hour} {
		if n, err := restarts(ended, s, length); n != 0 || err == nil {
			t.Errorf("after the end, %v: got %d, %v", length, n, err)
		}
	}
}
