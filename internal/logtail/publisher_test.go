package logtail

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
)

// rig is a publisher and a hub over a Redis of their own. Neither runs yet.
type rig struct {
	t         *testing.T
	client    *redisconn.Client
	log       *slog.Logger
	publisher *Publisher
	hub       *Hub
}

func newRig(t *testing.T, o stack.RedisOptions) *rig {
	t.Helper()
	server, err := stack.StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return newRigOf(t, server.URL())
}

func newRigOf(t *testing.T, url string) *rig {
	t.Helper()
	client, err := redisconn.Open(redisconn.Config{URL: config.Secret(url), Timeout: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	log, closeLog, err := logging.Open(logging.Config{File: os.DevNull, Format: "json"}, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeLog() })
	c := Config{Buffer: 100}
	return &rig{t, client, log, NewPublisher(c, client, logging.TailOf(log)), NewHub(c, client)}
}

// run runs the publisher and the hub until the test ends.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { r.publisher.Run(ctx) })
	runs.Go(func() { r.hub.Run(ctx) })
	r.t.Cleanup(func() {
		cancel()
		runs.Wait()
	})
}

// What is logged reaches who wants it, and only that; on every kind of Redis.
func TestFromLogToReader(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) *rig{
		"installed": func(t *testing.T) *rig { return newRig(t, stack.RedisOptions{}) },
		"embedded":  func(t *testing.T) *rig { return newRig(t, stack.RedisOptions{Embedded: true}) },
		"cluster": func(t *testing.T) *rig {
			cluster, err := stack.StartRedisCluster(t.Context(), stack.RedisClusterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cluster.Close() })
			return newRigOf(t, cluster.URL())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			reader, ok := r.hub.Open(Filter{Level: slog.LevelWarn}, 2)
			other, also := r.hub.Open(Filter{RequestID: "a-request"}, 2)
			if !ok || !also {
				t.Fatal("not opened")
			}
			r.run()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for got := 0; got < 2; {
				var items []Item
				select {
				case <-ctx.Done():
					t.Fatal("nothing comes")
				case <-tick.C: // from when on it is wanted nobody knows
					r.log.Info("calm")
					r.log.Info("about it", "request_id", "a-request")
					r.log.Warn("loud", "n", 1)
				case <-reader.Ready():
					items = reader.Take()
				case <-other.Ready():
					for _, item := range other.Take() {
						if !strings.Contains(item.Line, `"about it"`) {
							t.Errorf("nobody wanted %+v", item)
						}
					}
				}
				for _, item := range items {
					var line map[string]any
					if err := json.Unmarshal([]byte(item.Line), &line); err != nil || line["msg"] != "loud" || line["service"] != "gateway" ||
						!strings.Contains(line["instance"].(string), ":") {
						t.Errorf("got %+v: %v", item, err)
					}
					got++
				}
			}
		})
	}
}

// While nobody listens nothing is sent, and a wish that nobody repeats ends.
func TestNothingIsSentToNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.RedisOptions{})
	p := r.publisher
	p.ask(t.Context())
	r.log.Error("nobody listens")
	if p.wanted.Load() != nil || p.buffer.next != 0 {
		t.Error("a line was taken that nobody wants")
	}
	if wants, err := exchange(t.Context(), r.client, []string{Filter{}.text()}); err != nil || len(wants) != 1 {
		t.Fatalf("got %q, %v", wants, err)
	}
	p.ask(t.Context())
	r.log.Error("somebody listens")
	if p.buffer.next != 1 {
		t.Errorf("%d lines were taken, want one", p.buffer.next)
	}
	if ttl := r.client.PTTL(t.Context(), wantedKey).Val(); ttl <= 0 || ttl > wantedFor {
		t.Errorf("the wish lasts %v", ttl)
	}
	// Redis has forgotten it: for a moment it is still wanted.
	if err := r.client.Del(t.Context(), wantedKey).Err(); err != nil {
		t.Fatal(err)
	}
	p.ask(t.Context())
	if p.wanted.Load() == nil {
		t.Error("not wanted any more at once")
	}
	p.heard = p.heard.Add(-wantedFor)
	p.ask(t.Context())
	r.log.Error("nobody listens any more")
	if p.wanted.Load() != nil || p.buffer.next != 1 {
		t.Error("still wanted")
	}
}

// A Redis that does not answer costs those who log nothing, and lines are lost
// and counted.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	r := newRig(t, stack.RedisOptions{})
	p := r.publisher
	if _, err := exchange(t.Context(), r.client, []string{Filter{}.text()}); err != nil {
		t.Fatal(err)
	}
	p.ask(t.Context())
	if err := r.client.Close(); err != nil {
		t.Fatal(err)
	}
	for range 150 {
		r.log.Info("lost")
	}
	before := dropped.Get()
	p.flush(t.Context())
	p.ask(t.Context())
	if p.wanted.Load() == nil || p.buffer.next != 150 || dropped.Get() < before+100 {
		t.Errorf("%d lines of 150 were taken, %d counted as lost", p.buffer.next, dropped.Get()-before)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "", "LOG_STREAM_BUFFER=1": "", "LOG_STREAM_BUFFER=100000": "",
		"LOG_STREAM_BUFFER=0":      "LOG_STREAM_BUFFER is 0; 1 to 100000 is allowed",
		"LOG_STREAM_BUFFER=-1":     "LOG_STREAM_BUFFER is -1",
		"LOG_STREAM_BUFFER=100001": "LOG_STREAM_BUFFER is 100001",
	} {
		got := ""
		if err := config.Load(&Config{}, []string{given}); err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", given, got, want)
		}
	}
}
