package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/internal/config"
)

// Config is what both processes must agree on.
type Config struct {
	Secret   config.Secret `env:"JWT_SECRET" doc:"Key that signs and verifies access tokens (HS256)"`
	Next     config.Secret `env:"JWT_SECRET_NEXT" doc:"Key that only verifies: the one to be promoted. Rotate in this order: set it everywhere, make it JWT_SECRET, keep the old one as JWT_SECRET_PREVIOUS for MAX_AGE"`
	Previous config.Secret `env:"JWT_SECRET_PREVIOUS" doc:"Key that only verifies: the one that was replaced"`
	Issuer   string        `env:"JWT_ISSUER" envDefault:"gatehouse" doc:"Claim iss of access tokens"`
	Audience string        `env:"JWT_AUDIENCE" envDefault:"gatehouse" doc:"Claim aud of access tokens"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	m.Strong("JWT_SECRET", c.Secret)
	if c.Next != "" {
		m.Strong("JWT_SECRET_NEXT", c.Next)
	}
	if c.Previous != "" {
		m.Strong("JWT_SECRET_PREVIOUS", c.Previous)
	}
	m.Required("JWT_ISSUER", c.Issuer, "a name is wanted")
	m.Required("JWT_AUDIENCE", c.Audience, "a name is wanted")
}

// Keyring signs with one key and verifies with several, chosen by the token's
// kid. It is safe for concurrent use.
type Keyring struct {
	issuer   string
	audience string
	signing  key
	keys     map[string]key
	parser   *jwt.Parser
	now      func() time.Time
}

type key struct {
	id     string
	secret []byte
}

// NewKeyring builds the keyring; now is the clock that exp and nbf are held
// against.
func NewKeyring(c Config, now func() time.Time) *Keyring {
	k := &Keyring{
		issuer:   c.Issuer,
		audience: c.Audience,
		keys:     map[string]key{},
		now:      now,
	}
	for _, s := range []config.Secret{c.Previous, c.Next, c.Secret} {
		if s != "" {
			k.signing = newKey(s)
			k.keys[k.signing.id] = k.signing
		}
	}
	k.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(), // else a MAC with unused base64 bits set passes
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(c.Issuer),
		jwt.WithAudience(c.Audience),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(now),
	)
	return k
}

// newKey names a key by a MAC of its own secret, so that processes that share
// the secret agree on the kid without another setting.
func newKey(s config.Secret) key {
	secret := []byte(s.Reveal())
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("gatehouse kid"))
	return key{id: hex.EncodeToString(mac.Sum(nil)[:8]), secret: secret}
}

// Sign returns a token for the claims. IssuedAt, ExpiresAt and ID are set from
// the clock, the lifetime and chance; the rest is the caller's. It refuses what
// Verify would refuse: an absent claim, a role that cannot exist in the tenant,
// a lifetime above [MaxLifetime].
func (k *Keyring) Sign(c Claims, lifetime time.Duration) (string, error) {
	switch {
	case !c.complete():
		return "", errors.New("sign token: a claim is missing")
	case !c.Role.ValidIn(c.Tenant):
		return "", fmt.Errorf("sign token: role %q cannot exist in tenant %q", c.Role, c.Tenant)
	case lifetime > MaxLifetime:
		return "", fmt.Errorf("sign token: a lifetime of %v is above %v", lifetime, MaxLifetime)
	}
	now := k.now()
	issued := now.Unix()
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, &wire{
		Issuer:    k.issuer,
		Audience:  jwt.ClaimStrings{k.audience},
		Subject:   c.UserID.String(),
		Tenant:    c.Tenant,
		User:      c.Username,
		Session:   c.Session.String(),
		Role:      c.Role,
		IssuedAt:  &issued,
		NotBefore: &issued,
		ExpiresAt: new(now.Add(lifetime).Unix()),
		ID:        uuid.NewString(),
	})
	t.Header["kid"] = k.signing.id
	signed, err := t.SignedString(k.signing.secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Verify returns the claims of a valid token, or an *[Error]. Whether the
// session has been revoked is the caller's to check.
func (k *Keyring) Verify(token string) (Claims, error) {
	if token == "" {
		return Claims{}, &Error{Missing}
	}
	// The base64 decoder passes over line ends, so one token could be written
	// in many ways.
	if len(token) > MaxBytes || strings.ContainsAny(token, "\r\n") {
		return Claims{}, &Error{Malformed}
	}
	var w wire
	if _, err := k.parser.ParseWithClaims(token, &w, k.keyFor); err != nil {
		return Claims{}, &Error{kindOfParse(err)}
	}
	return w.claims(k.now())
}

// keyFor picks the key by kid. The algorithm was pinned before (RFC 8725
// section 3.1). Sign sets three header parameters; any other is refused, so
// that neither an extension (crit, RFC 7515 section 4.1.11) nor a key or its
// address (jwk, jku, x5c, x5u) is ever looked at.
func (k *Keyring) keyFor(t *jwt.Token) (any, error) {
	for name := range t.Header {
		if name != "alg" && name != "kid" && name != "typ" {
			return nil, &Error{Malformed}
		}
	}
	kid, _ := t.Header["kid"].(string)
	if key, ok := k.keys[kid]; ok {
		return key.secret, nil
	}
	return nil, &Error{UnknownKey}
}

func kindOfParse(err error) Kind {
	if kind := KindOf(err); kind != "" {
		return kind
	}
	for _, c := range []struct {
		target error
		kind   Kind
	}{
		{jwt.ErrTokenMalformed, Malformed},
		{jwt.ErrTokenSignatureInvalid, BadSignature},
		{jwt.ErrTokenExpired, Expired},
		{jwt.ErrTokenNotValidYet, NotYetValid},
		{jwt.ErrTokenInvalidIssuer, WrongIssuer},
		{jwt.ErrTokenInvalidAudience, WrongAudience},
	} {
		if errors.Is(err, c.target) {
			return c.kind
		}
	}
	return Malformed
}
