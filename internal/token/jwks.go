package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// MaxJWKS is the largest JWKS document that is read, in bytes.
const MaxJWKS = 64 << 10

// jwk is a public Ed25519 key as a JSON Web Key (RFC 7517, RFC 8037 section 2).
// Private is never written; a document that has it is refused.
type jwk struct {
	Type      string  `json:"kty"`
	Curve     string  `json:"crv,omitzero"`
	Use       string  `json:"use,omitzero"`
	Algorithm string  `json:"alg,omitzero"`
	ID        string  `json:"kid,omitzero"`
	X         string  `json:"x,omitzero"`
	Private   *string `json:"d,omitzero"`
}

type jwks struct {
	Keys []jwk `json:"keys"`
}

const (
	jwkType  = "OKP"
	jwkCurve = "Ed25519"
	jwkUse   = "sig"
)

// formatJWKS writes the public keys among keys that are trusted now; HS256
// secrets have no public half.
func formatJWKS(keys []*Key, now time.Time) []byte {
	document := jwks{Keys: []jwk{}}
	for _, k := range keys {
		if public, ok := k.verifying.(ed25519.PublicKey); ok && k.Trusted(now) {
			document.Keys = append(document.Keys, jwk{
				Type: jwkType, Curve: jwkCurve, Use: jwkUse, Algorithm: string(EdDSA), ID: k.id,
				X: base64.RawURLEncoding.EncodeToString(public),
			})
		}
	}
	content, err := json.Marshal(document)
	if err != nil { // of strings alone
		panic(err)
	}
	return content
}

// ParseJWKS reads a JWKS document (RFC 7517 section 5). Keys of other types,
// and members that are not known, are passed over, as that section asks; an
// Ed25519 key must be complete, for signatures, and named by its thumbprint.
func ParseJWKS(content []byte) ([]*Key, error) {
	if len(content) > MaxJWKS {
		return nil, fmt.Errorf("%d bytes; at most %d are read", len(content), MaxJWKS)
	}
	var document struct {
		Keys *[]jwk `json:"keys"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		return nil, quiet(err)
	}
	if document.Keys == nil {
		return nil, errors.New("it has no keys")
	}
	if n := len(*document.Keys); n > maxKeys {
		return nil, fmt.Errorf("%d keys; at most %d are allowed", n, maxKeys)
	}
	var keys []*Key
	seen := map[string]bool{}
	for i, j := range *document.Keys {
		if j.Type != jwkType || j.Curve != jwkCurve {
			continue
		}
		k, err := j.parse()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if seen[k.id] {
			return nil, fmt.Errorf("key %d: its kid is there twice", i+1)
		}
		seen[k.id] = true
		keys = append(keys, k)
	}
	return keys, nil
}

func (j *jwk) parse() (*Key, error) {
	switch {
	case j.Private != nil:
		return nil, errors.New("it is a private key")
	case j.Use != jwkUse || j.Algorithm != string(EdDSA):
		return nil, errors.New("its use is not sig or its alg is not EdDSA")
	}
	public, err := base64.RawURLEncoding.Strict().DecodeString(j.X)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("its x is not 32 bytes in base64url")
	}
	k := newPublicKey(public)
	if k.id != j.ID {
		return nil, errors.New("its kid is not its thumbprint")
	}
	return k, nil
}
