// Package keys keeps the gateway's keyring up to date: from a key file, or with
// the public keys that the backends serve as a JWKS document (RFC 7517).
//
// Keys that are known stay known while no backend answers. A token whose key is
// not known makes the gateway look once, at most every ten seconds, before it
// refuses: a rotation that was in a hurry costs a moment and no wrong 401.
package keys

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

const (
	off     = "off"
	backend = "backend"

	// lookAgain is the least time between two looks for keys that tokens asked
	// for: made-up kids cost no more than that.
	lookAgain = 10 * time.Second
	// maxWait is how long a request waits for such a look.
	maxWait = time.Second
)

// Config is where keys come from besides the gateway's own settings.
type Config struct {
	JWKS     string   `env:"JWT_JWKS" envDefault:"off" doc:"backend gets the public keys of EdDSA tokens from the backends, so that the gateway holds no key that signs; off does without" kind:"backend or off"`
	Backends []string `env:"JWT_JWKS_BACKENDS" doc:"Backends to get the keys from, where BACKENDS are of another service" kind:"a comma-separated list of host:port"`
}

// On reports whether keys come from the backends.
func (c *Config) On() bool { return c.JWKS == backend }

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if c.JWKS != off && c.JWKS != backend {
		m.Add("JWT_JWKS", "is %q; backend or off is wanted", c.JWKS)
	}
	for _, addr := range c.Backends {
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			m.Add("JWT_JWKS_BACKENDS", "holds %q; host:port is wanted", addr)
		}
	}
	if len(c.Backends) > 0 && !c.On() {
		m.Add("JWT_JWKS_BACKENDS", "is given, but JWT_JWKS is off")
	}
}

// Fetch gets a document of at most limit bytes from one backend. Ctx bounds it.
type Fetch func(ctx context.Context, addr, path string, limit int) ([]byte, error)

// Options is what a source of keys is made of.
type Options struct {
	Config   Config
	Token    token.Config
	Backends []string
	Fetch    Fetch
	Log      *slog.Logger
	// Now is the clock that exp and nbf of tokens are held against.
	Now func() time.Time
}

// Source is where the gateway's keys come from.
type Source struct {
	ring     *token.Keyring
	jwks     *poller // nil when the backends are not asked
	constant bool    // the keys cannot change

	start time.Time
	asked atomic.Int64 // when a token last made us look, as time since start

	mu      sync.Mutex
	looking chan struct{} // closed when the look under way is over; nil without one
}

// Open returns a source whose own keys are there. Those of the backends come
// with [Source.Run].
func Open(o Options) (*Source, error) {
	ring, err := token.Open(o.Token, o.Log, o.Now)
	if err != nil {
		return nil, err
	}
	s := &Source{ring: ring, constant: !o.Config.On() && o.Token.KeysDir == "", start: time.Now()}
	s.asked.Store(int64(-lookAgain))
	if o.Config.On() {
		s.jwks = newPoller(o, ring)
	}
	return s, nil
}

// Ring is the keyring. Its keys change by themselves.
func (s *Source) Ring() *token.Keyring { return s.ring }

// Run keeps the keys up to date until ctx ends.
func (s *Source) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.ring.Run(ctx) })
	if s.jwks != nil {
		wg.Go(func() { s.jwks.run(ctx) })
	}
	wg.Wait()
}

// Reload looks now at the file and at the backends. What fails is logged, and
// the keys stay as they were.
func (s *Source) Reload() {
	_ = s.ring.Reload() // logged there
	if s.jwks != nil {
		s.jwks.poll(context.Background())
	}
}

// Check is a health check: it reports whether there are keys to verify tokens
// with, those of the backends included.
func (s *Source) Check(context.Context) error {
	switch {
	case s.unseen():
		return errors.New("no backend has served its public keys yet")
	case s.ring.Empty():
		return token.ErrNoKeys
	}
	return nil
}

// unseen reports whether the backends' keys have never been seen.
func (s *Source) unseen() bool { return s.jwks != nil && !s.jwks.loaded.Load() }

// Look is for a token whose key is not known: it looks for new keys, unless that
// was done just before. Requests that come while it looks wait for it too, a
// second at most. It returns [token.ErrNoKeys] when no verdict is possible,
// because the keys of the backends have never been seen.
func (s *Source) Look() error {
	if over := s.begin(); over != nil {
		timeout := time.NewTimer(maxWait)
		defer timeout.Stop()
		select {
		case <-over:
		case <-timeout.C:
		}
	}
	if s.unseen() {
		return token.ErrNoKeys
	}
	return nil
}

// begin returns the end of the look that is under way, or of a new one, or nil
// when the last one was too short ago. Most calls get nil without a lock.
func (s *Source) begin() <-chan struct{} {
	now := time.Since(s.start)
	age := now - time.Duration(s.asked.Load())
	if s.constant || maxWait <= age && age < lookAgain {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looking != nil || now-time.Duration(s.asked.Load()) < lookAgain {
		return s.looking
	}
	s.asked.Store(int64(now))
	over := make(chan struct{})
	s.looking = over
	go func() {
		s.lookNow()
		s.mu.Lock()
		s.looking = nil
		s.mu.Unlock()
		close(over)
	}()
	return over
}

func (s *Source) lookNow() {
	_ = s.ring.Look() // logged there
	if s.jwks != nil {
		ctx, cancel := context.WithTimeout(context.Background(), maxWait)
		defer cancel()
		s.jwks.poll(ctx)
	}
}
