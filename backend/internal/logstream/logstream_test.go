package logstream

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"gatehouse/backend/internal/web"
	"gatehouse/internal/config"
	"gatehouse/internal/logtail"
	"gatehouse/internal/redisconn"
)

// newService returns a service over a Redis that is not there.
func newService(t *testing.T) *Service {
	t.Helper()
	client, err := redisconn.Open(redisconn.Config{URL: "redis://127.0.0.1:1/0", Timeout: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return New(Config{Readers: 1}, logtail.NewHub(logtail.Config{Buffer: 1}, client), nil)
}

// Readers are told why a stream ends before they do.
func TestFarewells(t *testing.T) {
	t.Parallel()
	s := newService(t)
	reader, ok := s.hub.Open(logtail.Filter{}, 1)
	if !ok || !s.enter() {
		t.Fatal("not opened")
	}
	expired, cancel := context.WithDeadlineCause(s.running, time.Now(), errExpired)
	defer cancel()
	if got := pass(expired, nil, reader); got != web.PolicyViolation {
		t.Errorf("with a token that has expired: got %d", got)
	}
	ended := make(chan web.Farewell, 1)
	go func() {
		ended <- pass(s.running, nil, reader)
		s.open.Done()
	}()
	s.Stop() // waits for it
	if got := <-ended; got != web.GoingAway {
		t.Errorf("of a process that stops: got %d", got)
	}
	if s.enter() {
		t.Error("a stream is opened in a process that stops")
	}
	s.Stop()
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for given, ok := range map[string]bool{"1": true, "1000": true, "0": false, "1001": false, "-1": false, "many": false} {
		if err := config.Load(&Config{}, []string{"LOG_STREAM_READERS=" + given}); (err == nil) != ok {
			t.Errorf("LOG_STREAM_READERS=%s: got %v", given, err)
		}
	}
}
