// Package cache keeps answers to reads in Redis, apart by tenant. A read that
// begins after a write was acknowledged never gets what was there before it.
//
// Every entry carries the generation of its tenant and kind that was read before
// the entry's value was loaded. A write replaces the generation after its commit
// and before its answer, so whatever was loaded earlier is not taken any more,
// even when it is stored later. No lock is needed for that. A generation is a
// random value and no counter: one that Redis lost cannot come back.
package cache

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/telemetry"
)

// Config says whether reads are cached.
type Config struct {
	Mode string `env:"CACHE" envDefault:"redis" doc:"Where answers to reads are kept for up to 30 seconds; what is written through any backend is seen at once" kind:"redis or off"`
}

// Modes of the cache.
const (
	inRedis = "redis"
	off     = "off"
)

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if c.Mode != inRedis && c.Mode != off {
		m.Add("CACHE", "is %q; redis or off is wanted", c.Mode)
	}
}

// On reports whether anything is kept.
func (c *Config) On() bool { return c.Mode != off }

// Bounds of what is kept.
const (
	// maxAge is the longest that an entry lives, counted from before its value
	// was loaded. It bounds what can be seen of the past after a generation
	// could not be replaced.
	maxAge = 30 * time.Second
	// jitter is by how much an entry may live shorter, so that entries of one
	// moment do not end in one moment.
	jitter = 10 * time.Second
	// generationAge is how long a generation is kept after a write. When it
	// ends, so do the entries under it.
	generationAge = time.Hour
	// maxValue is the largest value that is kept, in bytes. Larger ones would
	// hold up the other answers on their connection.
	maxValue = 64 << 10
)

// Cache keeps values. The zero value keeps none and loads each of them.
type Cache struct {
	redis *redisconn.Client // nil when off

	mu      sync.Mutex
	flights map[string]*flight
	// pending are the generations that are still to be replaced in Redis. There
	// are at most as many as there are tenants and kinds.
	pending map[scope]uint64
	marks   uint64        // counts the marks in pending
	wake    chan struct{} // tells Run of the first one
}

// New returns a cache in the process's Redis.
func New(c Config, r *redisconn.Client) *Cache {
	if !c.On() {
		return &Cache{}
	}
	return &Cache{redis: r, flights: map[string]*flight{}, pending: map[scope]uint64{}, wake: make(chan struct{}, 1)}
}

// Entry names a value. Key is unique among those of its tenant and kind, and
// made of at most 100 printable ASCII characters.
type Entry struct {
	Tenant string
	Kind   Kind
	Key    string
}

func (e Entry) scope() scope { return scope{e.Tenant, e.Kind} }

// name is the key in Redis. All keys of a tenant are in one slot of a cluster.
func (e Entry) name() string { return "t:{" + e.Tenant + "}:" + string(e.Kind) + ":" + e.Key }

// scope is what a generation is kept for.
type scope struct {
	tenant string
	kind   Kind
}

// name is the generation's key in Redis; no entry has it, since their names
// have one part more.
func (s scope) name() string { return "t:{" + s.tenant + "}:" + string(s.kind) }

// A Reader knows where a value comes from, and whether its caller may have it.
type Reader struct {
	// Load returns the value from the database, for the caller alone: it checks
	// the caller as it always does. Not found is kept, too.
	Load func(context.Context) ([]byte, error)
	// Admit checks the caller and nothing else. It is called when the value was
	// not loaded for this caller.
	Admit func(context.Context) error
}

// Read returns the value of an entry, which must not be changed. Redis never
// makes it fail: without an answer from there the value is loaded.
func (c *Cache) Read(ctx context.Context, e Entry, r Reader) ([]byte, error) {
	if c.redis == nil {
		return r.Load(ctx)
	}
	if c.isPending(e.scope()) {
		bypassed[e.Kind].Inc()
		return r.Load(ctx)
	}
	began := time.Now()
	span := record(ctx, "cache get", "MGET", e.Kind)
	generation, value, err := c.look(ctx, e)
	lookTime.UpdateDuration(began)
	span.Flag(telemetry.CacheHit, value != nil)
	finish(span, err)
	if err != nil {
		lookErrors[e.Kind].Inc()
		return r.Load(ctx)
	}
	if value == nil {
		misses[e.Kind].Inc()
		return c.load(ctx, e, generation, began, r)
	}
	hits[e.Kind].Inc()
	bytesRead.Add(len(value.body))
	return value.admitted(ctx, r)
}

// value is what Redis holds of an entry.
type value struct {
	body   []byte
	absent bool // there is no such thing
}

// admitted returns the value to a caller for whom it was not loaded.
func (v *value) admitted(ctx context.Context, r Reader) ([]byte, error) {
	if err := r.Admit(ctx); err != nil {
		return nil, err
	}
	return v.result()
}

func (v *value) result() ([]byte, error) {
	if v.absent {
		return nil, problem.New(problem.NotFound)
	}
	return v.body, nil
}

// What follows the generation in an entry.
const (
	markPresent = "+"
	markAbsent  = "-"
)

// look returns the generation of an entry, and its value unless it is missing or
// of another generation.
func (c *Cache) look(ctx context.Context, e Entry) (generation string, _ *value, err error) {
	ctx, cancel := c.redis.Bound(ctx)
	defer cancel()
	found, err := c.redis.MGet(ctx, e.scope().name(), e.name()).Result()
	if err != nil {
		return "", nil, err
	}
	generation, ok := found[0].(string)
	if !ok {
		generation, err = c.begin(ctx, e.scope())
		return generation, nil, err
	}
	text, _ := found[1].(string)
	rest, ok := strings.CutPrefix(text, generation)
	if !ok {
		return generation, nil, nil
	}
	if body, ok := strings.CutPrefix(rest, markPresent); ok {
		return generation, &value{body: []byte(body)}, nil
	}
	if rest == markAbsent {
		return generation, &value{absent: true}, nil
	}
	return generation, nil, nil
}

// begin sets the generation where there is none. Somebody else may do so first.
func (c *Cache) begin(ctx context.Context, s scope) (string, error) {
	generation := rand.Text()
	err := c.redis.SetNX(ctx, s.name(), generation, generationAge).Err()
	if err != nil {
		return "", err
	}
	return c.redis.Get(ctx, s.name()).Result()
}

// store keeps a value that was loaded under a generation. It lives from began,
// which was before that.
func (c *Cache) store(ctx context.Context, e Entry, generation string, began time.Time, v *value) {
	if len(v.body) > maxValue {
		oversized.Inc()
		return
	}
	age := maxAge - jitterNow() - time.Since(began)
	if age < time.Millisecond {
		return
	}
	text := generation + markPresent + string(v.body)
	if v.absent {
		text = generation + markAbsent
	}
	// The request may be at its end; its value is good for others.
	ctx, cancel := c.redis.Bound(context.WithoutCancel(ctx))
	defer cancel()
	span := record(ctx, "cache set", "SET", e.Kind)
	err := c.redis.Set(ctx, e.name(), text, age).Err()
	finish(span, err)
	if err != nil {
		storeErrors.Inc()
		return
	}
	bytesWritten.Add(len(v.body))
}

// record begins the span of a look at Redis, in a request that is traced.
func record(ctx context.Context, name, operation string, kind Kind) *telemetry.Span {
	span := telemetry.SpanOf(ctx).Call(name)
	span.Text(telemetry.DBSystem, "redis")
	span.Text(telemetry.Operation, operation)
	span.Text(telemetry.CacheKind, string(kind))
	return span
}

func finish(span *telemetry.Span, err error) {
	if err != nil {
		span.Fail("redis")
	}
	span.End()
}

// worth turns the outcome of a load into what is kept of it; nil for nothing.
func worth(body []byte, err error) *value {
	switch {
	case err == nil:
		return &value{body: body}
	case problem.Is(err, problem.NotFound):
		return &value{absent: true}
	default:
		return nil
	}
}
