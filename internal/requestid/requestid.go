// Package requestid makes and checks the identifiers that tie a request's log
// lines together across processes.
package requestid

import (
	"crypto/rand"
	"encoding/hex"
)

// Header carries the identifier between client, gateway and backend.
const Header = "X-Request-Id"

// Bounds of an identifier in bytes.
const (
	minLen = 8
	maxLen = 64
	newLen = 32
)

// New returns 128 random bits as 32 hexadecimal digits.
func New() string {
	var raw [newLen / 2]byte
	rand.Read(raw[:]) // never fails (crypto/rand)
	var text [newLen]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// Valid reports whether id is 8 to 64 of [A-Za-z0-9._-]: safe in logs, headers
// and file names.
func Valid[T string | []byte](id T) bool {
	if len(id) < minLen || len(id) > maxLen {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
