// Package password hashes and verifies passwords with argon2id (RFC 9106) in
// the PHC string form. Hashing is bounded: a flood of sign-ins waits in a short
// queue instead of exhausting memory.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

// The least that OWASP's Password Storage Cheat Sheet recommends for argon2id.
const (
	minMemoryKiB = 19 * 1024
	minTime      = 2
)

const (
	saltBytes = 16
	keyBytes  = 32
	// maxQueue bounds how many hashes wait for their turn, beyond those at work.
	maxQueue = 64
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
	m.Range("ARGON2_MEMORY_KIB", c.MemoryKiB, memory, 1<<20)
	m.Range("ARGON2_TIME", c.Time, time, 64)
	m.Range("ARGON2_CONCURRENCY", c.Concurrency, 0, 1024)
}

// Hasher hashes and verifies. It is safe for concurrent use.
type Hasher struct {
	params  params
	running *semaphore.Weighted
	waiting atomic.Int64
	dummy   string
}

type params struct {
	memoryKiB, time uint32
}

// New returns a hasher.
func New(c Config) (*Hasher, error) {
	n := c.Concurrency
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	h := &Hasher{
		params:  params{uint32(c.MemoryKiB), uint32(c.Time)},
		running: semaphore.NewWeighted(int64(n)),
	}
	var err error
	h.dummy, err = h.Hash(context.Background(), rand.Text())
	return h, err
}

// Hash returns the PHC string of a password. When too many hashes wait already
// it returns an overloaded problem.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.running.Release(1)
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails (crypto/rand)
	return h.params.encode(salt, h.params.key(password, salt)), nil
}

// Verify reports whether the password matches the PHC string, and whether it
// should be hashed anew because the parameters have changed since.
func (h *Hasher) Verify(ctx context.Context, password, phc string) (ok, outdated bool, err error) {
	p, salt, key, err := decode(phc)
	if err != nil {
		return false, false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.running.Release(1)
	ok = subtle.ConstantTimeCompare(p.key(password, salt), key) == 1
	return ok, ok && p != h.params, nil
}

// VerifyNothing takes as long as Verify. It is called when there is no user,
// so that time does not tell.
func (h *Hasher) VerifyNothing(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, password, h.dummy)
	return err
}

func (h *Hasher) enter(ctx context.Context) error {
	if h.waiting.Add(1) > maxQueue {
		h.waiting.Add(-1)
		return problem.New(problem.Overloaded)
	}
	defer h.waiting.Add(-1)
	if err := h.running.Acquire(ctx, 1); err != nil {
		return problem.Wrap(problem.Overloaded, err)
	}
	return nil
}

// key normalises first, so that the same password typed on different keyboards
// is one. The parallelism is 1: requests already run in parallel.
func (p params) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, p.time, p.memoryKiB, 1, keyBytes)
}

func (p params) encode(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, p.memoryKiB, p.time,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

var errForm = errors.New("password hash is not an argon2id PHC string")

func decode(phc string) (p params, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errForm
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &p.memoryKiB, &p.time); err != nil {
		return p, nil, nil, errForm
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(key) != keyBytes || p.time == 0 || p.memoryKiB == 0 {
		return p, nil, nil, errForm
	}
	return p, salt, key, nil
}
