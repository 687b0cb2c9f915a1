package token

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is how a key signs, as the alg of a token's header names it.
type Algorithm string

// The algorithms. Whoever can verify an HS256 token can also make one; of an
// EdDSA key (Ed25519, RFC 8037) verifiers have the public half only.
const (
	HS256 Algorithm = "HS256"
	EdDSA Algorithm = "EdDSA"
)

// Key is a key of a keyring. Its ID follows from the key itself, so the same ID
// is the same key, wherever it came from.
type Key struct {
	id        string
	algorithm Algorithm
	method    jwt.SigningMethod
	verifying any // []byte or ed25519.PublicKey
	signing   any // []byte or ed25519.PrivateKey; nil when only the public half is known

	// end is the Unix time in seconds from which the key is no longer trusted; 0
	// is never.
	end atomic.Int64
}

// ID is the kid of the tokens that the key signs.
func (k *Key) ID() string { return k.id }

// Trusted reports whether the key is still in its keyring and, when it is
// retiring, whether its time is not over yet. A key that has left its keyring
// stays out; one that comes back is another Key.
func (k *Key) Trusted(now time.Time) bool {
	end := k.end.Load()
	return end == 0 || now.Unix() < end
}

// header is the first part of the tokens that Sign makes with the key, which
// [jwt.Token.SigningString] has in the order of the names.
func (k *Key) header() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":"JWT"}`, k.algorithm, k.id))
}

// drop ends the trust at once.
func (k *Key) drop() { k.end.Store(math.MinInt64) }

func newSecretKey(secret []byte) *Key {
	return &Key{
		id: secretID(secret), algorithm: HS256, method: jwt.SigningMethodHS256,
		verifying: secret, signing: secret,
	}
}

func newPrivateKey(private ed25519.PrivateKey) *Key {
	k := newPublicKey(private.Public().(ed25519.PublicKey))
	k.signing = private
	return k
}

func newPublicKey(public ed25519.PublicKey) *Key {
	return &Key{id: thumbprint(public), algorithm: EdDSA, method: jwt.SigningMethodEdDSA, verifying: public}
}

// secretID names a secret by a MAC of its own, so that processes that share the
// secret agree on the kid without another setting.
func secretID(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("gatehouse kid"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// thumbprint is the JWK thumbprint of a public key (RFC 7638, RFC 8037
// appendix A.3).
func thumbprint(public ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
