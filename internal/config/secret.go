package config

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is a setting that must never be shown. Every way of printing it gives
// a fixed mark; [Secret.Reveal] is the only way to the value. It belongs into
// exported fields: fmt cannot call the methods of unexported ones.
type Secret string

const redacted = "(secret)"

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer with a fixed mark.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format keeps every verb of fmt from showing the value; without it a wrong
// one, such as %d, would.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps slog from showing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps encoders from showing the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MinSecretBytes is the shortest secret that production accepts: 256 bits, the
// key size that RFC 7518 section 3.2 asks for HS256.
const MinSecretBytes = 32

// wellKnown are fragments of values that examples and tutorials use.
var wellKnown = []string{
	"changeme", "change-me", "change_me", "your-", "your_", "yoursecret", "example", "secretkey", "secret-key",
	"secret_key", "mysecret", "my-secret", "my_secret", "supersecret", "super-secret", "password", "default", "insecure",
	"0123456789", "abcdefghij", "qwerty",
}

// Strong checks a key secret: at least [MinSecretBytes] long and neither
// repetitive nor a known example. Development accepts any value of that
// length.
func (m *Mistakes) Strong(name string, s Secret) {
	const hint = "make one with: openssl rand -base64 48"
	value := s.Reveal()
	switch {
	case value == "":
		m.Add(name, "is missing; at least %d random bytes are wanted (%s)", MinSecretBytes, hint)
	case len(value) < MinSecretBytes:
		m.Add(name, "has %d bytes; at least %d random bytes are wanted (%s)", len(value), MinSecretBytes, hint)
	case m.Production && guessable(value):
		m.Add(name, "looks like an example or is too repetitive to be random; %s", hint)
	}
}

func guessable(value string) bool {
	lower := strings.ToLower(value)
	for _, w := range wellKnown {
		if strings.Contains(lower, w) {
			return true
		}
	}
	var seen [256]bool
	distinct := 0
	for i := range len(value) {
		if !seen[value[i]] {
			seen[value[i]] = true
			distinct++
		}
	}
	// 32 random hexadecimal digits show fewer than 10 different ones about once
	// in ten thousand; random base64 practically never.
	return distinct < 10 || periodic(value)
}

// periodic reports whether value is a shorter text given at least twice.
func periodic(value string) bool {
	for period := 1; period <= len(value)/2; period++ {
		if strings.HasPrefix(value, value[period:]) {
			return true
		}
	}
	return false
}
