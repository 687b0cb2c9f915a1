package token_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/token"
)

func TestKindOfFindsTheReason(t *testing.T) {
	t.Parallel()
	for _, kind := range token.Kinds() {
		err := fmt.Errorf("authenticate: %w", &token.Error{Kind: kind})
		if got := token.KindOf(err); got != kind {
			t.Errorf("KindOf(%v) = %q, want %q", err, got, kind)
		}
	}
	for _, err := range []error{nil, io.EOF} {
		if got := token.KindOf(err); got != "" {
			t.Errorf("KindOf(%v) = %q, want none", err, got)
		}
	}
}

func TestKindsListsEveryKindOnce(t *testing.T) {
	t.Parallel()
	want := []token.Kind{
		"bad_signature", "expired", "malformed", "missing", "not_yet_valid", "revoked", "unknown_key",
		"wrong_audience", "wrong_issuer",
	}
	if got := slices.Sorted(slices.Values(token.Kinds())); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRolesSatisfy(t *testing.T) {
	t.Parallel()
	for need, want := range map[token.Role]string{
		"":             "member admin operator",
		token.Admin:    "admin operator", // an operator administers its own tenant
		token.Operator: "operator",
	} {
		var satisfied []string
		for _, role := range []token.Role{token.Member, token.Admin, token.Operator} {
			if role.Satisfies(need) {
				satisfied = append(satisfied, string(role))
			}
		}
		if got := strings.Join(satisfied, " "); got != want {
			t.Errorf("%q is satisfied by %s, want %s", need, got, want)
		}
		for _, role := range []token.Role{"", "ADMIN", "root"} {
			if need != "" && role.Satisfies(need) {
				t.Errorf("%q is satisfied by %q", need, role)
			}
		}
	}
}

func TestFromBearer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header, want string
		ok           bool
	}{
		{"Bearer abc", "abc", true},
		{"bearer abc", "abc", true},
		{"BEARER abc", "abc", true},
		{"bEaReR a.b.c", "a.b.c", true},
		{"Bearer  abc", " abc", true}, // Verify refuses the blank
		{"Bearer abc ", "abc ", true},
		{"", "", false},
		{"Bearer", "", false},
		{"Bearer ", "", false},
		{"Bearer\tabc", "", false},
		{"Bearer\x00abc", "", false},
		{"Bearerabc", "", false},
		{"Bearer:abc", "", false},
		{" Bearer abc", "", false},
		{"Basic abc", "", false},
		{"Basic Bearer abc", "", false},
		{"abc", "", false},
		{"\x02earer abc", "", false},
	} {
		if got, ok := token.FromBearer(c.header); got != c.want || ok != c.ok {
			t.Errorf("FromBearer(%q) = %q, %v, want %q, %v", c.header, got, ok, c.want, c.ok)
		}
		if got, ok := token.FromBearer([]byte(c.header)); string(got) != c.want || ok != c.ok {
			t.Errorf("FromBearer of the bytes %q = %q, %v, want %q, %v", c.header, got, ok, c.want, c.ok)
		}
	}
}

func FuzzFromBearer(f *testing.F) {
	f.Add("Bearer abc")
	f.Add("bearer ")
	f.Add("Bearer\x00abc")
	f.Fuzz(func(t *testing.T, header string) {
		scheme, rest, found := strings.Cut(header, " ")
		want := found && rest != "" && len(scheme) == 6 && strings.EqualFold(scheme, "bearer")
		if got, ok := token.FromBearer(header); ok != want || ok && got != rest {
			t.Errorf("FromBearer(%q) = %q, %v, want %q, %v", header, got, ok, rest, want)
		}
	})
}

func TestErrorsTellNothingButTheKind(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, token.Config{Secret: secretA})
	_, err := k.Verify("eyJhbGciOiJub25lIn0.e30.secretsignature")
	var e *token.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T, want *token.Error", err)
	}
	if got, want := err.Error(), "token: malformed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
