// Package requestid makes and checks the identifiers that tie a request's log
// lines together across processes.
package requestid

import (
	"crypto/rand"
	"encoding/hex"
	"sync"
)

// Header carries the identifier between client, gateway and backend.
const Header = "X-Request-Id"

// Bounds of an identifier in bytes.
const (
	minLen = 8
	maxLen = 64
	newLen = 32
)

// reserve is randomness that is drawn for many identifiers at once.
type reserve struct {
	bits [32 * newLen / 2]byte
	left int
}

var reserves = sync.Pool{New: func() any { return new(reserve) }}

// New returns 128 random bits as 32 hexadecimal digits.
func New() string {
	r := reserves.Get().(*reserve)
	if r.left == 0 {
		rand.Read(r.bits[:]) // never fails (crypto/rand)
		r.left = len(r.bits)
	}
	r.left -= newLen / 2
	var text [newLen]byte
	hex.Encode(text[:], r.bits[r.left:r.left+newLen/2])
	reserves.Put(r)
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
