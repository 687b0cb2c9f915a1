package ratelimit

import (
	"encoding"
	"fmt"

	"gatehouse/internal/config"
	"gatehouse/internal/watch"
)

// Config is how limits are enforced.
type Config struct {
	File      string   `env:"RATE_LIMIT_FILE" doc:"Limits that differ from the built-in ones, in JSON (docs/limits.md); read again when its content changes" kind:"a path" example:"/etc/gatehouse/limits.json"`
	Fallback  Fallback `env:"RATE_LIMIT_FALLBACK" envDefault:"local" doc:"What decides while Redis does not answer: this gateway's own buckets with its share of each limit (local), nothing but the limits on signing in (open), or nobody, so that limited requests are 503 (closed)" kind:"local, open or closed"`
	FleetSize int      `env:"RATE_LIMIT_FLEET_SIZE" envDefault:"1" doc:"How many gateways are taken to share the limits until Redis has told how many there are"`
	Keys      int      `env:"RATE_LIMIT_KEYS" envDefault:"100000" doc:"Most buckets that are remembered at once, about 300 bytes each; those that are idle are forgotten first"`
}

// Fallback is what decides while the shared buckets are out of reach.
type Fallback string

// The fallbacks. See [Config].
const (
	FallbackLocal  Fallback = "local"
	FallbackOpen   Fallback = "open"
	FallbackClosed Fallback = "closed"
)

var _ encoding.TextUnmarshaler = (*Fallback)(nil)

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Fallback) UnmarshalText(text []byte) error {
	switch given := Fallback(text); given {
	case FallbackLocal, FallbackOpen, FallbackClosed:
		*f = given
		return nil
	}
	return fmt.Errorf("%q is no fallback", text)
}

// Bounds of Keys.
const (
	minKeys = 1_000
	maxKeys = 10_000_000
)

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Range("RATE_LIMIT_FLEET_SIZE", c.FleetSize, 1, 1000)
	m.Range("RATE_LIMIT_KEYS", c.Keys, minKeys, maxKeys)
	if c.File == "" {
		return
	}
	err := watch.Check(c.File, func(content []byte) error {
		_, err := ParsePolicies(content)
		return err
	})
	if err != nil {
		m.Add("RATE_LIMIT_FILE", "cannot be used: %v", err)
	}
}
