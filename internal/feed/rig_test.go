package feed

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"gatehouse/internal/config"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/stack"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // these wait more than they work
	code := m.Run()
	if left := leftGoroutines(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines returns the stacks of what did not stop.
func leftGoroutines() string {
	deadline := time.Now().Add(10 * time.Second)
	for {
		var left []string
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if !strings.Contains(stack, "TestMain") && strings.Contains(stack, "internal/feed.") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// rig is a Redis of a test's own, since the feed's keys have fixed names.
type rig struct {
	t      *testing.T
	url    string
	server *stack.Redis // nil of one with several servers
	redis.UniversalClient
	db *database
}

// onBoth runs a test against the installed server, whose absence is a failure
// with GATEHOUSE_REQUIRE_ALL, and the embedded one.
func onBoth(t *testing.T, test func(*rig)) {
	t.Helper()
	t.Parallel()
	for name, o := range map[string]stack.RedisOptions{"installed": {}, "embedded": {Embedded: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newRig(t, o))
		})
	}
}

func newRig(t *testing.T, o stack.RedisOptions) *rig {
	t.Helper()
	server, err := stack.StartRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	r := newRigOf(t, server.URL())
	r.server = server
	return r
}

func newRigOf(t *testing.T, url string) *rig {
	t.Helper()
	r := &rig{t: t, url: url, db: &database{}}
	// Without a breaker, since a test looks while Redis is away, too.
	r.UniversalClient = r.open(quiet).Follow()
	return r
}

// must fails the test if there was an error.
func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// open returns a client as the processes have it, with a longer timeout, so that
// a busy machine does not make Redis look dead.
func (r *rig) open(log *slog.Logger) *redisconn.Client {
	r.t.Helper()
	c, err := redisconn.Open(redisconn.Config{URL: config.Secret(r.url), Timeout: time.Second}, log)
	r.must(err)
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// publisher returns one that does not run yet.
func (r *rig) publisher() (*Publisher, *lines) {
	r.t.Helper()
	log := &lines{}
	return NewPublisher(Options{Client: r.open(quiet), Seed: r.db.seed, Log: log.logger(), Now: time.Now}), log
}

// run starts a Run and returns what stops it and waits for its end, which also
// happens when the test ends.
func (r *rig) run(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	r.t.Cleanup(stop)
	return stop
}

// publishing returns a publisher that runs, when the feed is seeded.
func (r *rig) publishing() *Publisher {
	r.t.Helper()
	p, _ := r.publisher()
	r.run(p.Run)
	r.seeded()
	return p
}

// settled returns a publisher that has seeded the feed and does not run: only the
// test calls turn, which is not made for two at once.
func (r *rig) settled() *Publisher {
	r.t.Helper()
	p, _ := r.publisher()
	eventually(r.t, "the feed is seeded", func() bool { return p.turn(r.t.Context()) })
	return p
}

func (r *rig) seeded() {
	r.t.Helper()
	eventually(r.t, "the feed is seeded", func() bool { return r.epoch() != "" })
}

func (r *rig) epoch() string { return r.Get(r.t.Context(), epochKey).Val() }

// log returns the keys of the entries in the log, marks of seeds aside.
func (r *rig) log() []string {
	r.t.Helper()
	entries, err := r.XRange(r.t.Context(), logKey, "-", "+").Result()
	r.must(err)
	var keys []string
	for _, e := range entries {
		if e.Values["kind"] != kindSeed {
			keys = append(keys, e.Values["key"].(string))
		}
	}
	return keys
}

// follower is one that runs, and what it was given.
type follower struct {
	*Follower
	t     *testing.T
	lines *lines
	stop  func()

	mu    sync.Mutex
	items []Item
}

func (r *rig) following() *follower {
	r.t.Helper()
	f := &follower{t: r.t, lines: &lines{}}
	f.Follower = NewFollower(Options{Client: r.open(quiet), Apply: f.apply, Log: f.lines.logger(), Now: time.Now})
	f.stop = r.run(f.Run)
	return f
}

func (f *follower) apply(items []Item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, items...)
}

// latest returns the item that counts for a key.
func (f *follower) latest(key string) (Item, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found Item
	for _, item := range f.items {
		if item.Key == key && item.Version >= found.Version {
			found = item
		}
	}
	return found, found.Key != ""
}

func (f *follower) hears(items ...Item) {
	f.t.Helper()
	for _, want := range items {
		eventually(f.t, "the follower hears of "+want.Key+" "+strconv.FormatInt(want.Version, 10), func() bool {
			got, ok := f.latest(want.Key)
			return ok && got.Version == want.Version && got.Expires.Equal(want.Expires) && bytes.Equal(got.Value, want.Value)
		})
	}
}

func (f *follower) catchesUp() {
	f.t.Helper()
	since := time.Now()
	eventually(f.t, "the follower has everything", func() bool { return f.Fresh(time.Since(since)) })
}

// database stands for what the backends share: what was committed, and the lock
// of who seeds.
type database struct {
	mu     sync.Mutex
	items  []Item
	busy   bool // another process seeds
	fault  error
	during func(add func(...Item) error) error // is called after the items were read
	full   int                                 // full seeds asked for
	states int                                 // others
}

func (d *database) commit(items ...Item) []Item {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.items = append(d.items, items...)
	return items
}

func (d *database) change(change func(*database)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *database) seeds() (full, states int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.full, d.states
}

func (d *database) seed(_ context.Context, full bool, add func(...Item) error) (bool, error) {
	d.mu.Lock()
	items, during := slices.Clone(d.items), d.during
	switch {
	case d.busy:
		d.mu.Unlock()
		return false, nil
	case d.fault != nil:
		defer d.mu.Unlock()
		return true, d.fault
	case full:
		d.full++
	default:
		d.states++
		items = slices.DeleteFunc(items, func(item Item) bool { return item.Version == 0 })
	}
	d.busy = true
	d.mu.Unlock()
	defer d.change(func(d *database) { d.busy = false })
	if during != nil {
		if err := during(add); err != nil {
			return true, err
		}
	}
	return true, add(items...)
}

// revoked returns n events.
func revoked(n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = Item{Kind: Session, Key: uuid.NewString(), Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond)}
	}
	return items
}

func state(tenant string, version int64) Item {
	return Item{Kind: Tenant, Key: tenant, Version: version, Value: fmt.Appendf(nil, `{"id":%q,"version":%d}`, tenant, version)}
}

func keysOf(items []Item) []string {
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	return keys
}

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

var errTest = errors.New("a fault of the test's")

var quiet = slog.New(slog.DiscardHandler)

// lines is what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}
