package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"gatehouse/backend/internal/field"
)

// A refresh token is "<tenant id>." and 256 random bits in base64url. The
// prefix only says in which database to look; the hash is of the whole string.
const refreshSecretBytes = 32

func newRefreshToken(tenant string) (raw string, hash []byte) {
	secret := make([]byte, refreshSecretBytes)
	rand.Read(secret) // never fails (crypto/rand)
	raw = tenant + "." + base64.RawURLEncoding.EncodeToString(secret)
	return raw, hashOf(raw)
}

func parseRefreshToken(raw string) (tenant string, hash []byte, ok bool) {
	tenant, secret, found := strings.Cut(raw, ".")
	if !found || !field.ValidTenantID(tenant) || len(secret) != base64.RawURLEncoding.EncodedLen(refreshSecretBytes) {
		return "", nil, false
	}
	return tenant, hashOf(raw), true
}

func hashOf(raw string) []byte {
	sum := sha256.Sum256([]byte(raw))
	return sum[:]
}
