// Package password hashes passwords with argon2id (RFC 9106) in the PHC string
// form, and verifies these and the bcrypt hashes of imported users. Hashing is
// bounded: a flood of sign-ins waits in a short queue instead of exhausting
// memory.
package password

import (
	"context"
	"crypto/rand"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sync/semaphore"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
	"gatehouse/internal/telemetry"
)

// The least that OWASP's Password Storage Cheat Sheet recommends for argon2id.
const (
	minMemoryKiB = 19 * 1024
	minTime      = 2
)

// maxQueue bounds how many hashes wait for their turn, beyond those at work.
const maxQueue = 64

var (
	hashTime = metrics.NewPrometheusHistogramExt(`backend_password_hash_duration_seconds`,
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5})
	hashesWaiting = metrics.NewGauge(`backend_password_waiting`, nil)
	hashesRefused = metrics.NewCounter(`backend_password_refused_total`)
)

// Config is the cost of a hash.
type Config struct {
	MemoryKiB   int `env:"ARGON2_MEMORY_KIB" envDefault:"19456" doc:"Memory of one password hash, in KiB"`
	Time        int `env:"ARGON2_TIME" envDefault:"2" doc:"Passes of one password hash"`
	Concurrency int `env:"ARGON2_CONCURRENCY" envDefault:"0" doc:"Hashes computed at once; 0 means one for each processor"`
}

// Validate implements [config.Checked]. Development may hash cheaply.
func (c *Config) Validate(m *config.Mistakes) {
	memory, time := minMemoryKiB, minTime
	if !m.Production {
		memory, time = 8, 1
	}
	m.Range("ARGON2_MEMORY_KIB", c.MemoryKiB, memory, maxMemoryKiB)
	m.Range("ARGON2_TIME", c.Time, time, maxTime)
	if c.MemoryKiB <= maxMemoryKiB && c.Time <= maxTime && c.MemoryKiB*c.Time > maxWork {
		m.Add("ARGON2_TIME", "times ARGON2_MEMORY_KIB is %d; at most %d is allowed", c.MemoryKiB*c.Time, maxWork)
	}
	m.Range("ARGON2_CONCURRENCY", c.Concurrency, 0, 1024)
}

// Hasher hashes and verifies. It is safe for concurrent use.
type Hasher struct {
	params params
	// running is weighed in KiB, so that stored hashes that need more memory
	// than today's take the room of several.
	running  *semaphore.Weighted
	capacity int64
	waiting  atomic.Int64
	dummy    stored
}

// New returns a hasher.
func New(c Config) (*Hasher, error) {
	n := c.Concurrency
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	h := &Hasher{
		params:   params{uint32(c.MemoryKiB), uint32(c.Time)},
		capacity: int64(n) * int64(c.MemoryKiB),
	}
	h.running = semaphore.NewWeighted(h.capacity)
	encoded, err := h.Hash(context.Background(), rand.Text())
	if err != nil {
		return nil, err
	}
	h.dummy, err = parse(encoded)
	return h, err
}

// Hash returns the PHC string of a password. When too many hashes wait already
// it returns an overloaded problem.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx, h.params.memoryKiB)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails (crypto/rand)
	return h.params.encode(salt, h.params.key(password, salt)), nil
}

// Verify reports whether the password matches the stored hash, and whether it
// should be hashed anew because that is of another kind or cost than today's.
// A stored hash that cannot be read takes as long as one that does not match
// and is [ErrMalformed].
func (h *Hasher) Verify(ctx context.Context, password, encoded string) (ok, outdated bool, err error) {
	hash, malformed := parse(encoded)
	if malformed != nil {
		hash = h.dummy
	}
	leave, err := h.enter(ctx, hash.memoryKiB)
	if err != nil {
		return false, false, err
	}
	defer leave()
	ok = hash.matches(password)
	if malformed != nil {
		return false, false, malformed
	}
	return ok, ok && hash.params != h.params, nil
}

// VerifyNothing takes as long as Verify. It is called when there is no user,
// so that time does not tell. (An imported hash, or one from before a change of
// the cost, takes its own time until its user signs in.)
func (h *Hasher) VerifyNothing(ctx context.Context, password string) error {
	leave, err := h.enter(ctx, h.dummy.memoryKiB)
	if err != nil {
		return err
	}
	defer leave()
	h.dummy.matches(password)
	return nil
}

// enter waits for the room that a hash of so much memory takes; nothing takes
// less than one of today's, nor more than there is. The function that it
// returns gives the room back.
func (h *Hasher) enter(ctx context.Context, memoryKiB uint32) (leave func(), err error) {
	begun := time.Now()
	if h.waiting.Add(1) > maxQueue {
		h.waiting.Add(-1)
		hashesRefused.Inc()
		return nil, problem.New(problem.Overloaded)
	}
	hashesWaiting.Inc()
	defer func() {
		h.waiting.Add(-1)
		hashesWaiting.Dec()
	}()
	weight := min(max(int64(memoryKiB), int64(h.params.memoryKiB)), h.capacity)
	span := telemetry.SpanOf(ctx).Child("password hash") // with the wait, as in the metric
	if err := h.running.Acquire(ctx, weight); err != nil {
		hashesRefused.Inc()
		span.Fail("overloaded")
		span.End()
		return nil, problem.Wrap(problem.Overloaded, err)
	}
	return func() {
		h.running.Release(weight)
		hashTime.UpdateDuration(begun)
		span.End()
	}, nil
}
