package token

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/watch"
)

// ErrNoKeys says that a token cannot be judged, because the keyring is still
// empty. It is no *[Error]: the token may well be valid.
var ErrNoKeys = errors.New("no key is known yet")

// Keyring signs with one key and verifies with several, chosen by the token's
// kid. Its keys may change at any time, all at once. It is safe for concurrent
// use, and to sign or verify takes no lock.
type Keyring struct {
	issuer    string
	audience  string
	parser    *jwt.Parser
	validator *jwt.Validator // as the parser's own
	now       func() time.Time
	file      *watch.File // nil when the keys come from no file

	keys atomic.Pointer[keySet]

	mu      sync.Mutex // held while keys is replaced
	own     []*Key     // from the settings or the file; the first one signs
	fetched []*Key     // public keys from elsewhere
}

// keySet is the keys at one time. It never changes.
type keySet struct {
	signing    *Key // nil when the keyring only verifies
	byID       map[string]*Key
	byHeader   map[string]*Key // by the first part of the tokens that Sign makes with it
	own        []*Key          // those that a JWKS document is made of
	generation uint64
}

// NewKeyring builds a keyring of the secrets in c; now is the clock that exp
// and nbf are held against.
func NewKeyring(c Config, now func() time.Time) *Keyring {
	k := &Keyring{issuer: c.Issuer, audience: c.Audience, now: now}
	k.keys.Store(&keySet{})
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{string(HS256), string(EdDSA)}), // each key then insists on its own
		jwt.WithStrictDecoding(),                                     // else a MAC with unused base64 bits set passes
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(c.Issuer),
		jwt.WithAudience(c.Audience),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(now),
	}
	k.parser, k.validator = jwt.NewParser(options...), jwt.NewValidator(options...)
	for _, s := range []config.Secret{c.Secret, c.Next, c.Previous} {
		if s != "" {
			k.own = append(k.own, newSecretKey([]byte(s.Reveal())))
		}
	}
	k.replace()
	return k
}

// setOwn replaces the keys of the file.
func (k *Keyring) setOwn(stored []StoredKey) {
	var own []*Key
	for i := range stored {
		switch stored[i].State {
		case StateRevoked:
		case StateActive:
			own = append([]*Key{stored[i].key()}, own...)
		default:
			own = append(own, stored[i].key())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.own = own
	k.replace()
}

// SetFetched replaces the public keys that come from elsewhere, as
// [ParseJWKS] returns them.
func (k *Keyring) SetFetched(keys []*Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetched = keys
	k.replace()
}

// replace puts own and fetched keys in force. A key that stays keeps its
// identity, so what was verified with it stays verified; one that goes is told
// so. The lock is held, except before anybody else knows the keyring.
func (k *Keyring) replace() {
	old := k.keys.Load()
	set := &keySet{
		byID:       make(map[string]*Key, len(k.own)+len(k.fetched)),
		byHeader:   make(map[string]*Key, len(k.own)+len(k.fetched)),
		own:        k.own,
		generation: old.generation,
	}
	if len(k.own) > 0 {
		set.signing = k.own[0]
	}
	for _, keys := range [][]*Key{k.own, k.fetched} {
		for _, key := range keys {
			if set.byID[key.id] != nil {
				continue
			}
			if known := old.byID[key.id]; known != nil {
				known.end.Store(key.end.Load()) // it may have retired
				key = known
			} else {
				set.generation = old.generation + 1
			}
			set.byID[key.id], set.byHeader[key.header()] = key, key
		}
	}
	k.keys.Store(set)
	for id, key := range old.byID {
		if set.byID[id] == nil {
			key.drop()
		}
	}
}

// Run follows the file that the keys come from until ctx ends. Without one it
// returns at once.
func (k *Keyring) Run(ctx context.Context) {
	if k.file != nil {
		k.file.Run(ctx)
	}
}

// Reload looks now at the file that the keys come from, if there is one, and
// gives a file that was refused another chance. On an error, which is logged
// too, the keys stay as they were.
func (k *Keyring) Reload() error {
	if k.file == nil {
		return nil
	}
	return k.file.Reload()
}

// Look is Reload for those who suspect a change: what was refused before is
// not looked at again.
func (k *Keyring) Look() error {
	if k.file == nil {
		return nil
	}
	return k.file.Look()
}

// Generation grows whenever a key comes that was not known. A token whose key
// is unknown is worth another look when it has.
func (k *Keyring) Generation() uint64 { return k.keys.Load().generation }

// Empty reports whether the keyring has no key at all.
func (k *Keyring) Empty() bool { return len(k.keys.Load().byID) == 0 }

// JWKS returns the keyring's own public keys that are trusted now as a JSON Web
// Key Set (RFC 7517).
func (k *Keyring) JWKS() []byte { return formatJWKS(k.keys.Load().own, k.now()) }

// Sign returns a token for the claims. IssuedAt, ExpiresAt and ID are set from
// the clock, the lifetime and chance; the rest is the caller's. It refuses what
// Verify would refuse: a claim that is absent or malformed, a role that cannot
// exist in the tenant, a lifetime above [MaxLifetime].
func (k *Keyring) Sign(c Claims, lifetime time.Duration) (string, error) {
	switch {
	case !c.wellFormed():
		return "", errors.New("sign token: a claim is missing or malformed")
	case !c.Role.ValidIn(c.Tenant):
		return "", fmt.Errorf("sign token: role %q cannot exist in tenant %q", c.Role, c.Tenant)
	case lifetime > MaxLifetime:
		return "", fmt.Errorf("sign token: a lifetime of %v is above %v", lifetime, MaxLifetime)
	}
	key := k.keys.Load().signing
	if key == nil {
		return "", errors.New("sign token: there is no key to sign with")
	}
	now := k.now()
	issued := now.Unix()
	t := jwt.NewWithClaims(key.method, &wire{
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
	t.Header["kid"] = key.id
	signed, err := t.SignedString(key.signing)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Verify returns the claims of a valid token, or an *[Error], or [ErrNoKeys].
// Whether the session has been revoked is the caller's to check.
func (k *Keyring) Verify(token string) (Claims, error) {
	c, _, err := k.VerifyKey(token)
	return c, err
}

// VerifyKey is Verify for callers that keep the claims: they are good for as
// long as the key that it returns is [Key.Trusted].
func (k *Keyring) VerifyKey(token string) (Claims, *Key, error) {
	if token == "" {
		return Claims{}, nil, &Error{Missing}
	}
	// The base64 decoder passes over line ends, so one token could be written
	// in many ways.
	if len(token) > MaxBytes || strings.ContainsAny(token, "\r\n") {
		return Claims{}, nil, &Error{Malformed}
	}
	var w wire
	if key := k.verifyPlain(token, &w); key != nil {
		c, err := w.claims(k.now())
		return c, key, err
	}
	w = wire{}
	var key *Key
	_, err := k.parser.ParseWithClaims(token, &w, func(t *jwt.Token) (verifying any, err error) {
		key, err = k.keys.Load().find(t, k.now())
		if err != nil {
			return nil, err
		}
		return key.verifying, nil
	})
	switch {
	case errors.Is(err, ErrNoKeys):
		return Claims{}, nil, ErrNoKeys
	case err != nil:
		return Claims{}, nil, &Error{kindOfParse(err)}
	}
	c, err := w.claims(k.now())
	if err != nil {
		return Claims{}, nil, err
	}
	return c, key, nil
}

// verifyPlain verifies a token whose header is the one that Sign writes, which
// then needs no parsing. It returns nil for every token that it does not find
// valid: what is wrong with that, if anything, is for the parser to say.
func (k *Keyring) verifyPlain(token string, w *wire) *Key {
	header, rest, _ := strings.Cut(token, ".")
	key := k.keys.Load().byHeader[header]
	payload, signature, ok := strings.Cut(rest, ".")
	if key == nil || !key.Trusted(k.now()) || !ok {
		return nil
	}
	signed, err := strictBase64.DecodeString(signature)
	if err != nil || key.method.Verify(token[:len(header)+1+len(payload)], signed, key.verifying) != nil {
		return nil
	}
	text, err := strictBase64.DecodeString(payload)
	if err != nil || w.UnmarshalJSON(text) != nil || k.validator.Validate(w) != nil {
		return nil
	}
	return key
}

var strictBase64 = base64.RawURLEncoding.Strict()

// find picks the key by kid, if it is trusted now. The token's algorithm must be the key's own (RFC
// 8725 section 3.1): else a public key could be used as a secret. Sign sets
// three header parameters; any other is refused, so that neither an extension
// (crit, RFC 7515 section 4.1.11) nor a key or its address (jwk, jku, x5c, x5u)
// is ever looked at.
func (s *keySet) find(t *jwt.Token, now time.Time) (*Key, error) {
	for name := range t.Header {
		if name != "alg" && name != "kid" && name != "typ" {
			return nil, &Error{Malformed}
		}
	}
	if len(s.byID) == 0 {
		return nil, ErrNoKeys
	}
	kid, _ := t.Header["kid"].(string)
	key := s.byID[kid]
	switch {
	case key == nil || !key.Trusted(now):
		return nil, &Error{UnknownKey}
	case t.Method != key.method:
		return nil, &Error{BadSignature}
	}
	return key, nil
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
