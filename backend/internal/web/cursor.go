package web

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/crypto/chacha20poly1305"

	"gatehouse/internal/config"
	"gatehouse/internal/problem"
)

const (
	// cursorLifetime is how long a list can be left before its next page.
	cursorLifetime = 24 * time.Hour
	// maxCursorBytes is the longest cursor that is looked at.
	maxCursorBytes = 2048
)

// CursorConfig is the keys that seal cursors.
type CursorConfig struct {
	Keys config.Secret `env:"CURSOR_ENCRYPTION_KEY" doc:"Required. Keys that seal list cursors, comma-separated, newest first: the first seals, all open"`
}

// Validate implements [config.Checked].
func (c *CursorConfig) Validate(m *config.Mistakes) {
	for _, key := range c.list() {
		m.Strong("CURSOR_ENCRYPTION_KEY", key)
	}
}

func (c *CursorConfig) list() []config.Secret {
	var keys []config.Secret
	for key := range strings.SplitSeq(c.Keys.Reveal(), ",") {
		keys = append(keys, config.Secret(strings.TrimSpace(key)))
	}
	return keys
}

// Cursors seals the position of a list with XChaCha20-Poly1305. A cursor opens
// only for the tenant, route, filter and sort order that it was made for.
type Cursors struct {
	aeads []cipher.AEAD
	now   func() time.Time
}

// NewCursors derives a key from each configured secret (HKDF-SHA-256, RFC
// 5869).
func NewCursors(c CursorConfig, now func() time.Time) (*Cursors, error) {
	cs := &Cursors{now: now}
	for _, secret := range c.list() {
		key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, "gatehouse cursor v1", chacha20poly1305.KeySize)
		if err != nil {
			return nil, fmt.Errorf("derive cursor key: %w", err)
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, fmt.Errorf("derive cursor key: %w", err)
		}
		cs.aeads = append(cs.aeads, aead)
	}
	return cs, nil
}

// seal encodes a position. Scope is what the cursor is bound to.
func (c *Cursors) seal(scope []byte, position any) (string, error) {
	payload, err := json.Marshal(position)
	if err != nil {
		return "", fmt.Errorf("seal cursor: %w", err)
	}
	plain := binary.BigEndian.AppendUint64(nil, uint64(c.now().Add(cursorLifetime).Unix()))
	plain = append(plain, payload...)

	aead := c.aeads[0]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, scope)), nil
}

// open decodes a position into dst. Whatever is wrong is one invalid_cursor.
func (c *Cursors) open(scope []byte, cursor string, dst any) error {
	invalid := problem.New(problem.InvalidCursor)
	if len(cursor) > maxCursorBytes {
		return invalid
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return invalid
	}
	for _, aead := range c.aeads {
		if len(sealed) < aead.NonceSize() {
			return invalid
		}
		plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], scope)
		if err != nil || len(plain) < 8 {
			continue
		}
		if int64(binary.BigEndian.Uint64(plain)) < c.now().Unix() || json.Unmarshal(plain[8:], dst) != nil {
			return invalid
		}
		return nil
	}
	return invalid
}
