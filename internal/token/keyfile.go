package token

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/internal/config"
)

// State is where a key is in its life.
type State string

// The states, in the order that a key goes through them.
const (
	StateNext     State = "next"     // verifies, and signs after the next rotation
	StateActive   State = "active"   // signs and verifies
	StateRetiring State = "retiring" // verifies what it has signed, until that has expired
	StateRevoked  State = "revoked"  // is no longer trusted, and kept only as a record
)

const (
	// maxKeys bounds a key file. A rotation leaves one key behind for an hour.
	maxKeys = 100
	// secretBytes is the size of the HS256 secrets that are made here.
	secretBytes = 48
	// maxSecretBytes bounds a secret; longer ones add nothing.
	maxSecretBytes = 1024
)

// StoredKey is a key as it lies in the key file, with its secret.
type StoredKey struct {
	ID        string
	Algorithm Algorithm
	State     State
	Created   time.Time
	Since     time.Time // when it came into its state

	// Secret is the HS256 secret or the Ed25519 seed (RFC 8032 section 5.1.5), in
	// raw bytes; a revoked key has none any more.
	Secret config.Secret
}

// storedKey is the JSON form of [StoredKey].
type storedKey struct {
	ID        string    `json:"kid"`
	Algorithm Algorithm `json:"alg"`
	State     State     `json:"state"`
	Created   time.Time `json:"created"`
	Since     time.Time `json:"since"`
	Secret    string    `json:"secret,omitzero"` // base64url without padding
}

type keyFile struct {
	Keys []storedKey `json:"keys"`
}

// ParseKeys reads a key file strictly: exactly one key is active, at most one is
// next, and each kid is that of its key. The error quotes no secret.
func ParseKeys(content []byte) ([]StoredKey, error) {
	var file keyFile
	if err := json.Unmarshal(content, &file, json.RejectUnknownMembers(true)); err != nil {
		return nil, quiet(err)
	}
	if len(file.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys; at most %d are allowed", len(file.Keys), maxKeys)
	}
	keys := make([]StoredKey, len(file.Keys))
	seen := map[string]bool{}
	count := map[State]int{}
	for i, s := range file.Keys {
		k, err := s.parse()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if seen[k.ID] {
			return nil, fmt.Errorf("key %d: its kid is there twice", i+1)
		}
		seen[k.ID] = true
		count[k.State]++
		keys[i] = k
	}
	if count[StateActive] != 1 || count[StateNext] > 1 {
		return nil, fmt.Errorf("%d active and %d next keys; one active and at most one next key are wanted",
			count[StateActive], count[StateNext])
	}
	return keys, nil
}

// quiet says what is wrong with JSON without quoting it.
func quiet(err error) error {
	var wrongType *json.SemanticError
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &wrongType):
		return fmt.Errorf("what stands at %q is not known, or not of the type that is wanted", wrongType.JSONPointer)
	case errors.As(err, &syntax):
		return fmt.Errorf("no valid JSON at byte %d", syntax.ByteOffset)
	}
	return errors.New("no valid JSON")
}

func (s *storedKey) parse() (StoredKey, error) {
	k := StoredKey{ID: s.ID, Algorithm: s.Algorithm, State: s.State, Created: s.Created, Since: s.Since}
	if k.Created.IsZero() || k.Since.IsZero() {
		return k, errors.New("created or since is missing")
	}
	if k.Algorithm != HS256 && k.Algorithm != EdDSA {
		return k, errors.New("its alg is neither HS256 nor EdDSA")
	}
	switch k.State {
	case StateNext, StateActive, StateRetiring:
	case StateRevoked:
		if s.Secret != "" || s.ID == "" {
			return k, errors.New("a revoked key has a kid and no secret")
		}
		return k, nil
	default:
		return k, errors.New("its state is none of next, active, retiring, revoked")
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(s.Secret)
	if err != nil {
		return k, errors.New("its secret is not in base64url without padding")
	}
	if n := len(secret); k.Algorithm == EdDSA && n != ed25519.SeedSize ||
		k.Algorithm == HS256 && (n < config.MinSecretBytes || n > maxSecretBytes) {
		return k, fmt.Errorf("its secret has %d bytes; 32 are wanted for EdDSA, 32 to %d for HS256", n, maxSecretBytes)
	}
	k.Secret = config.Secret(secret)
	if k.key().id != k.ID {
		return k, errors.New("its kid is another key's")
	}
	return k, nil
}

// FormatKeys writes a key file.
func FormatKeys(keys []StoredKey) ([]byte, error) {
	file := keyFile{Keys: make([]storedKey, len(keys))}
	for i, k := range keys {
		file.Keys[i] = storedKey{
			ID: k.ID, Algorithm: k.Algorithm, State: k.State, Created: k.Created, Since: k.Since,
			Secret: base64.RawURLEncoding.EncodeToString([]byte(k.Secret.Reveal())),
		}
	}
	content, err := json.Marshal(file, jsontext.WithIndent("  "))
	return append(content, '\n'), err
}

// GenerateKey makes a new key for the state next.
func GenerateKey(a Algorithm, now time.Time) (StoredKey, error) {
	size := map[Algorithm]int{HS256: secretBytes, EdDSA: ed25519.SeedSize}[a]
	if size == 0 {
		return StoredKey{}, fmt.Errorf("the algorithm %q is neither HS256 nor EdDSA", a)
	}
	secret := make([]byte, size)
	_, _ = rand.Read(secret) // never fails
	return store(a, secret, now), nil
}

// ImportSecret makes a stored key of a JWT_SECRET, for the state next. It has
// the kid that it had as JWT_SECRET, so its tokens stay valid.
func ImportSecret(s config.Secret, now time.Time) StoredKey {
	return store(HS256, []byte(s.Reveal()), now)
}

func store(a Algorithm, secret []byte, now time.Time) StoredKey {
	now = now.UTC()
	k := StoredKey{Algorithm: a, State: StateNext, Created: now, Since: now, Secret: config.Secret(secret)}
	k.ID = k.key().id
	return k
}

// key returns what a keyring needs of the stored key, which is not revoked.
func (k *StoredKey) key() *Key {
	secret := []byte(k.Secret.Reveal())
	var key *Key
	if k.Algorithm == EdDSA {
		key = newPrivateKey(ed25519.NewKeyFromSeed(secret))
	} else {
		key = newSecretKey(secret)
	}
	if k.State == StateRetiring {
		key.end.Store(max(1, k.Since.Add(retireAfter).Unix()))
	}
	return key
}
