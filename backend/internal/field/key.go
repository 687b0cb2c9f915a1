package field

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the key under which text that people take for the same is
// stored and compared: case-folded, compatibility forms unified (NFKC).
func Fold(s string) string {
	// A Caser has state, so each call makes its own.
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}

// sortKeyBytes bounds a sort key, for indexes and cursors; compatibility forms
// can unfold to many times their length.
const sortKeyBytes = 256

// SortKey returns the key that puts names in the order people expect when it
// is compared byte by byte: folded and without accents, so that Álvaro stands
// beside Alvaro. It has at most 256 bytes.
func SortKey(s string) string {
	key := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) || r == unicode.MaxRune {
			return -1
		}
		return r
	}, norm.NFD.String(Fold(s)))
	if len(key) > sortKeyBytes {
		key = strings.ToValidUTF8(key[:sortKeyBytes], "")
	}
	return key
}

// MaxSortKey is greater than every SortKey.
const MaxSortKey = string(unicode.MaxRune)

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// Containing returns the LIKE pattern of folded text that holds s; %, _ and \ in
// it are literal. It is nil for an empty s.
func Containing(s string) *string {
	if s == "" {
		return nil
	}
	return Given("%" + likeEscapes.Replace(Fold(s)) + "%")
}

// Given returns what a filter has to equal: nil for an empty s, which filters
// nothing.
func Given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
