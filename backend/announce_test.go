package backend

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/feed"
	"gatehouse/internal/limit"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
)

// newRedis starts a server for one test.
func newRedis(t *testing.T) *stack.Redis {
	t.Helper()
	r, err := stack.StartRedis(t.Context(), stack.RedisOptions{Embedded: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// withRedis makes a backend use a Redis server. It waits for it for long, so that a
// busy machine changes nothing about what is announced when.
func withRedis(r *stack.Redis) func(*Config) {
	return func(c *Config) {
		c.Redis = redisconn.Config{URL: config.Secret(r.URL()), Timeout: 10 * time.Second}
	}
}

// A listener hears what backends announce, as a gateway does.
type listener struct {
	follower *feed.Follower

	mu    sync.Mutex
	items []feed.Item
	heard chan struct{} // closed and renewed at each item
}

// listenTo follows the feed of a Redis server until the test ends. It returns when
// it has everything, so that it hears of everything else once.
func listenTo(t *testing.T, r *stack.Redis) *listener {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	client, err := redisconn.Open(redisconn.Config{URL: config.Secret(r.URL()), Timeout: time.Second}, log)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{heard: make(chan struct{})}
	l.follower = feed.NewFollower(feed.Options{Client: client, Apply: l.apply, Log: log, Now: time.Now})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.follower.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		_ = client.Close()
	})
	for !l.follower.Fresh(time.Minute) {
		if t.Context().Err() != nil {
			t.Fatal("the feed was never seeded")
		}
		time.Sleep(time.Millisecond)
	}
	return l
}

func (l *listener) apply(items []feed.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, item := range items {
		item.Value = slices.Clone(item.Value)
		l.items = append(l.items, item)
	}
	close(l.heard)
	l.heard = make(chan struct{})
}

// await returns what was heard once it is as wanted.
func (l *listener) await(t *testing.T, what string, wanted func([]feed.Item) bool) []feed.Item {
	t.Helper()
	for {
		l.mu.Lock()
		items, heard := slices.Clone(l.items), l.heard
		l.mu.Unlock()
		if wanted(items) {
			return items
		}
		select {
		case <-heard:
		case <-t.Context().Done():
			t.Fatalf("never heard %s", what)
		case <-time.After(30 * time.Second):
			t.Fatalf("never heard %s; heard %+v", what, items)
		}
	}
}

// all returns what was announced up to now. The backend announces in order, so
// what an operator does now is heard last. When others do the same at the same
// time, a later version may be heard in place of this one.
func (l *listener) all(t *testing.T, s *testServer, operator string) []feed.Item {
	t.Helper()
	a := s.in(t).do("PUT", limitsPath("closed"), operator, map[string]any{"overrides": []any{}}).want(t, 200)
	version, err := strconv.ParseInt(strings.Trim(a.Header.Get("ETag"), `"`), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return l.await(t, "the last of all", func(items []feed.Item) bool {
		return slices.ContainsFunc(items, func(i feed.Item) bool { return marks(i) && i.Version >= version })
	})
}

// marks reports whether an item is one of those that all makes.
func marks(i feed.Item) bool { return i.Kind == feed.Tenant && i.Key == "closed" }

// drain returns what was announced since the last call.
func (l *listener) drain(t *testing.T, s *testServer, operator string) []feed.Item {
	t.Helper()
	items := l.all(t, s, operator)
	l.forget(len(items))
	return slices.DeleteFunc(items, marks)
}

// forget drops the first n items that were heard.
func (l *listener) forget(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = slices.Delete(l.items, 0, n)
}

// sessionsOf returns the sessions among items, sorted.
func sessionsOf(items []feed.Item) []string {
	ids := []string{}
	for _, i := range items {
		if i.Kind == feed.Session {
			ids = append(ids, i.Key)
		}
	}
	slices.Sort(ids)
	return ids
}

// tenantStates returns the states that were announced of a tenant, in order.
func tenantStates(t *testing.T, items []feed.Item, id string) (list []limit.Tenant) {
	t.Helper()
	for _, i := range items {
		if i.Kind != feed.Tenant || i.Key != id {
			continue
		}
		state, err := limit.ParseTenant(i.Value)
		if err != nil || state.ID != id || state.Version != i.Version {
			t.Fatalf("got %+v: %v", i, err)
		}
		list = append(list, state)
	}
	return list
}
