package backend

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/stack"
)

// history is a contact whose age counts up, written and read through several
// backends at once.
type history struct {
	backends []*testServer
	bearer   string
	path     string
	// acked is the last age whose write was answered.
	acked atomic.Int32
}

func newHistory(t *testing.T, server *stack.Redis) *history {
	first := newTestServer(t, cacheIn(server))
	h := &history{backends: []*testServer{first, newTestServer(t, cacheIn(server), beside(first))}}
	h.bearer = first.signup("acme", "historian").Access
	var made struct{ ID string }
	first.do("POST", "/api/v1/address-book", h.bearer, aged(0)).want(t, 201).into(t, &made)
	h.path = "/api/v1/address-book/" + made.ID
	return h
}

func aged(n int) map[string]any {
	body := contactBody()
	body["age"] = n
	return body
}

// read checks that a read sees what was acknowledged before it began.
func (h *history) read(s *testServer, asList bool) {
	before := h.acked.Load()
	var got int32
	if asList {
		var page []struct{ Age int32 }
		s.do("GET", "/api/v1/address-book", h.bearer, nil).want(s.t, 200).into(s.t, &page)
		got = page[0].Age
	} else {
		var one struct{ Age int32 }
		s.do("GET", h.path, h.bearer, nil).want(s.t, 200).into(s.t, &one)
		got = one.Age
	}
	if got < before {
		s.t.Errorf("a read sees %d after %d was acknowledged", got, before)
	}
}

// run writes every age in turn, through the backends that write picks, while the
// backends that read are read from.
func (h *history) run(from, to int, writers, readers []*testServer) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	for _, s := range readers {
		for i := range 4 {
			wait.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						h.read(s, i%2 == 1)
					}
				}
			})
		}
	}
	for n := from; n < to; n++ {
		s := writers[n%len(writers)]
		if a := s.do("PUT", h.path, h.bearer, aged(n)); a.StatusCode != 200 {
			s.t.Errorf("write %s: got %d: %s", strconv.Itoa(n), a.StatusCode, a.body)
		}
		h.acked.Store(int32(n))
		for _, s := range readers {
			h.read(s, n%2 == 1)
		}
	}
	close(done)
	wait.Wait()
}

// reachRedis waits until every backend has found Redis again.
func (h *history) reachRedis() {
	for _, s := range h.backends {
		eventually(s.t, "Redis answers", func() bool { return s.b.redis.Check(s.t.Context()) == nil })
	}
}

// No read that begins after a write was answered sees what was before the write,
// through whichever backend either goes, also while Redis is gone and after it
// came back, empty. Only between a backend's return to Redis and another one's
// the past may be seen, which TestPartition bounds.
func TestNoStaleRead(t *testing.T) {
	t.Parallel()
	server := startRedis(t, stack.RedisOptions{})
	h := newHistory(t, server)
	h.run(1, 50, h.backends, h.backends)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	h.run(50, 70, h.backends, h.backends)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reachRedis()
	h.run(70, 120, h.backends, h.backends)
}

// A Redis that hangs keeps what it had. Whoever wrote meanwhile does not show
// it.
func TestNoStaleReadOfOnesOwnWhileRedisHangs(t *testing.T) {
	t.Parallel()
	server := startRedis(t, stack.RedisOptions{})
	h := newHistory(t, server)
	h.run(1, 10, h.backends, h.backends)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	one := h.backends[:1]
	h.run(10, 14, one, one)
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	h.run(14, 40, one, one)
}

// A backend that is cut off from Redis writes: it does not show the past itself,
// another one that reaches Redis does for 30 seconds at most, and both show what
// there is as soon as Redis has heard of the write.
func TestPartition(t *testing.T) {
	t.Parallel()
	server := startRedis(t, stack.RedisOptions{})
	way, through := newRelay(t, config.Secret(server.URL()))
	first := newTestServer(t, cacheIn(server), func(c *Config) { c.Redis.URL = through })
	second := newTestServer(t, cacheIn(server), beside(first))
	h := &history{backends: []*testServer{first, second}, bearer: first.signup("acme", "historian").Access}
	var made struct{ ID string }
	first.do("POST", "/api/v1/address-book", h.bearer, aged(0)).want(t, 201).into(t, &made)
	h.path = "/api/v1/address-book/" + made.ID
	h.run(1, 10, h.backends, h.backends)

	way.cut()
	h.run(10, 20, h.backends[:1], h.backends[:1])
	direct := second.b.redis
	kept := direct.Keys(t.Context(), "t:{acme}:contacts:*").Val()
	if len(kept) == 0 {
		t.Error("nothing is kept, so this proves nothing")
	}
	for _, key := range kept {
		if age := direct.PTTL(t.Context(), key).Val(); age < 0 || age > 30*time.Second {
			t.Errorf("%s lives for %v", key, age)
		}
	}
	// The past ends, whether Redis has heard of the write or not.
	if err := direct.Del(t.Context(), kept...).Err(); err != nil {
		t.Fatal(err)
	}
	h.read(second, false)
	h.read(second, true)
	h.run(20, 25, h.backends[:1], h.backends[:1])

	way.blocked.Store(false)
	h.reachRedis()
	eventually(t, "the other backend sees the last write", func() bool {
		var one struct{ Age int32 }
		second.do("GET", h.path, h.bearer, nil).want(t, 200).into(t, &one)
		return one.Age == h.acked.Load()
	})
	h.run(25, 50, h.backends, h.backends)
}

// eventually waits for something that happens in the background.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still not: " + what)
		}
	}
}
