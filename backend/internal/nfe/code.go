package nfe

import (
	"errors"
	"fmt"
	"io"
)

// validCode reports whether a cNF of 8 digits is one that may be drawn: neither
// one digit over and over nor a run that counts up (code 897).
func validCode(s string) bool {
	if repeated(s) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] != '0'+(s[i-1]-'0'+1)%10 {
			return true
		}
	}
	return false
}

// ErrNotRandom says that a source yields the same over and over.
var ErrNotRandom = errors.New("draw cNF: the source is not random")

// DrawCode draws a cNF for the document of a number from a source of random
// bytes, such as crypto/rand.Reader: 8 digits, not the number, and none of those
// that code 897 refuses.
func DrawCode(random io.Reader, numero string) (string, error) {
	taken := zeros(numero, 8)
	for range 1000 { // a source that needs more is not random
		var b [4]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", fmt.Errorf("draw cNF: %w", err)
		}
		n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if n >= 4_200_000_000 { // the rest would make low numbers likelier
			continue
		}
		code := fmt.Sprintf("%08d", n%100_000_000)
		if code != taken && validCode(code) {
			return code, nil
		}
	}
	return "", ErrNotRandom
}
