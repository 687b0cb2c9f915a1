package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

const (
	secretA = config.Secret("pV7qLx2mN9tRc4Wz8sYb1KdF6hGj3QeUaT5o")
	secretB = config.Secret("Zk3wPm8vXr1cNq6tYb9sLd4fHg7jQe2uAo5i")
	secretC = config.Secret("Hy6bTn1vCx9zMq4wLp7kJd2gRf8sEa3uWo5i")
)

var (
	now     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	user    = uuid.MustParse("01939a3e-5b1c-7f00-8a11-0242ac120002")
	session = uuid.MustParse("6f1f6a3a-3e0b-4c58-9d3e-8e0c5b1c2d3e")
	ana     = token.Claims{UserID: user, Tenant: "tenant1", Username: "ana", Session: session, Role: token.Member}
)

// newKeyring returns a keyring whose clock stands at now.
func newKeyring(t testing.TB, c token.Config) *token.Keyring {
	t.Helper()
	return keyringAt(t, c, func() time.Time { return now })
}

func keyringAt(t testing.TB, c token.Config, clock func() time.Time) *token.Keyring {
	t.Helper()
	if c.Issuer == "" {
		c.Issuer = "gatehouse"
	}
	if c.Audience == "" {
		c.Audience = "gatehouse"
	}
	return token.NewKeyring(c, clock)
}

func sign(t testing.TB, k *token.Keyring, c token.Claims) string {
	t.Helper()
	signed, err := k.Sign(c, 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestVerifyReturnsWhatWasSigned(t *testing.T) {
	t.Parallel()
	late := now.Add(999 * time.Millisecond)
	k := keyringAt(t, token.Config{Secret: secretA}, func() time.Time { return late })
	for _, c := range []token.Claims{
		ana,
		{UserID: user, Tenant: "TENANT-2", Username: "日本", Session: session, Role: token.Admin},
		{UserID: user, Tenant: token.PlatformTenant, Username: "operator", Session: session, Role: token.Operator},
	} {
		t.Run(string(c.Role), func(t *testing.T) {
			t.Parallel()
			got, err := k.Verify(sign(t, k, c))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := uuid.Parse(got.ID); err != nil {
				t.Errorf("jti = %q, want a UUID", got.ID)
			}
			want := c
			want.ID = got.ID
			want.IssuedAt, want.ExpiresAt = now, now.Add(15*time.Minute) // whole seconds
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachTokenHasItsOwnID(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, token.Config{Secret: secretA})
	given := ana
	given.ID = "chosen by the caller"
	seen := map[string]bool{}
	for range 1_000 {
		c, err := k.Verify(sign(t, k, given))
		if err != nil {
			t.Fatal(err)
		}
		if seen[c.ID] || c.ID == given.ID {
			t.Fatalf("jti %q was used before", c.ID)
		}
		seen[c.ID] = true
	}
}

// TestWireForm keeps names and types of the claims: clients read them.
func TestWireForm(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, token.Config{Secret: secretA, Issuer: "https://issuer", Audience: "api"})
	header, payload, _ := parts(t, sign(t, k, ana))
	if kid, _ := header["kid"].(string); len(kid) != 16 || strings.Contains(secretA.Reveal(), kid) {
		t.Errorf("kid = %q, want 16 digits", kid)
	}
	delete(header, "kid")
	if diff := cmp.Diff(map[string]any{"alg": "HS256", "typ": "JWT"}, header); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
	if _, err := uuid.Parse(payload["jti"].(string)); err != nil {
		t.Error(err)
	}
	delete(payload, "jti")
	want := map[string]any{
		"iss": "https://issuer", "aud": []any{"api"}, "sub": user.String(), "tenant_id": "tenant1", "user": "ana",
		"login_session": session.String(), "role": "member",
		"iat": float64(now.Unix()), "nbf": float64(now.Unix()), "exp": float64(now.Unix() + 900),
	}
	if diff := cmp.Diff(want, payload); diff != "" {
		t.Errorf("payload differs (-want +got):\n%s", diff)
	}
}

// parts decodes a token without verifying it.
func parts(t testing.TB, signed string) (header, payload map[string]any, signature []byte) {
	t.Helper()
	segments := strings.Split(signed, ".")
	if len(segments) != 3 {
		t.Fatalf("%q has %d segments, want 3", signed, len(segments))
	}
	for i, into := range []any{&header, &payload} {
		text, err := base64.RawURLEncoding.DecodeString(segments[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(segments[2])
	if err != nil {
		t.Fatal(err)
	}
	return header, payload, signature
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, token.Config{Secret: secretA})
	with := func(change func(*token.Claims)) token.Claims {
		c := ana
		change(&c)
		return c
	}
	for name, c := range map[string]token.Claims{
		"no user":                with(func(c *token.Claims) { c.UserID = uuid.Nil }),
		"invalid UTF-8":          with(func(c *token.Claims) { c.Username = "an\xff" }),
		"no session":             with(func(c *token.Claims) { c.Session = uuid.Nil }),
		"no role":                with(func(c *token.Claims) { c.Role = "" }),
		"an unknown role":        with(func(c *token.Claims) { c.Role = "root" }),
		"another case":           with(func(c *token.Claims) { c.Role = "Member" }),
		"an operator outside":    with(func(c *token.Claims) { c.Role = token.Operator }),
		"an admin in platform":   with(func(c *token.Claims) { c.Role, c.Tenant = token.Admin, token.PlatformTenant }),
		"a member in platform":   with(func(c *token.Claims) { c.Role, c.Tenant = token.Member, token.PlatformTenant }),
		"an operator in no case": with(func(c *token.Claims) { c.Role, c.Tenant = token.Operator, "Platform" }),
	} {
		if signed, err := k.Sign(c, time.Minute); err == nil || signed != "" {
			t.Errorf("%s: signed", name)
		}
	}
	for _, tenant := range badTenants {
		if signed, err := k.Sign(with(func(c *token.Claims) { c.Tenant = tenant }), time.Minute); err == nil || signed != "" {
			t.Errorf("tenant %q: signed", tenant)
		}
	}
	for _, name := range badUsernames {
		if signed, err := k.Sign(with(func(c *token.Claims) { c.Username = name }), time.Minute); err == nil || signed != "" {
			t.Errorf("user name %q: signed", name)
		}
	}
	if _, err := k.Sign(ana, token.MaxLifetime); err != nil {
		t.Errorf("the longest lifetime is refused: %v", err)
	}
	if signed, err := k.Sign(ana, token.MaxLifetime+time.Second); err == nil || signed != "" {
		t.Error("a longer lifetime is signed")
	}
}

// TestClockSkewIsTolerated walks the clock over both ends of a token's life.
func TestClockSkewIsTolerated(t *testing.T) {
	t.Parallel()
	signed := sign(t, newKeyring(t, token.Config{Secret: secretA}), ana)
	const life = 15 * time.Minute
	for _, c := range []struct {
		at   time.Duration // after it was issued
		want token.Kind
	}{
		{-24 * time.Hour, token.NotYetValid},
		{-token.Leeway - time.Second, token.NotYetValid},
		{-token.Leeway - 1, token.NotYetValid},
		{-token.Leeway, ""},
		{-1, ""},
		{0, ""},
		{life, ""},
		{life + token.Leeway - 1, ""},
		{life + token.Leeway, token.Expired},
		{life + token.Leeway + 1, token.Expired},
		{100 * 365 * 24 * time.Hour, token.Expired},
	} {
		k := keyringAt(t, token.Config{Secret: secretA}, func() time.Time { return now.Add(c.at) })
		_, err := k.Verify(signed)
		if token.KindOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%v after its issue: %v, want %q", c.at, err, c.want)
		}
	}
}

// TestRotation runs the two processes through the documented order. Neighbours
// in it run at the same time during a roll-out and must understand each other.
func TestRotation(t *testing.T) {
	t.Parallel()
	stages := []token.Config{
		{Secret: secretA},
		{Secret: secretA, Next: secretB},
		{Secret: secretB, Previous: secretA},
		{Secret: secretB},
		{Secret: secretB, Next: secretC},
		{Secret: secretC, Previous: secretB},
		{Secret: secretC},
	}
	for i, signing := range stages {
		for j, verifying := range stages {
			signed := sign(t, newKeyring(t, signing), ana)
			_, err := newKeyring(t, verifying).Verify(signed)
			knows := signing.Secret == verifying.Secret || signing.Secret == verifying.Next || signing.Secret == verifying.Previous
			if neighbours := j-i <= 1 && i-j <= 1; neighbours && !knows {
				t.Fatalf("stages %d and %d do not overlap: the table is wrong", i, j)
			}
			if knows && err != nil {
				t.Errorf("stage %d refuses a token of stage %d: %v", j, i, err)
			}
			if !knows && token.KindOf(err) != token.UnknownKey {
				t.Errorf("stage %d on a token of stage %d: %v, want unknown_key", j, i, err)
			}
		}
	}
}

func TestSecretAloneSigns(t *testing.T) {
	t.Parallel()
	kid := func(c token.Config) any {
		header, _, _ := parts(t, sign(t, newKeyring(t, c), ana))
		return header["kid"]
	}
	a, b := kid(token.Config{Secret: secretA}), kid(token.Config{Secret: secretB})
	if a == b {
		t.Errorf("two secrets share the kid %v", a)
	}
	for _, c := range []token.Config{
		{Secret: secretA, Next: secretB},
		{Secret: secretA, Previous: secretB},
		{Secret: secretA, Next: secretA, Previous: secretA},
		{Secret: secretA, Issuer: "another", Audience: "another"},
	} {
		if got := kid(c); got != a {
			t.Errorf("%+v signs with the key %v, want that of JWT_SECRET, %v", c, got, a)
		}
	}
}

func TestKeyringIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, token.Config{Secret: secretA, Next: secretB})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				signed, err := k.Sign(ana, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := k.Verify(signed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		environ []string
		want    []string // the variables that are wrong
	}{
		{"complete", []string{"JWT_SECRET=" + secretA.Reveal()}, nil},
		{"rotating", []string{"JWT_SECRET=" + secretA.Reveal(), "JWT_SECRET_NEXT=" + secretB.Reveal(),
			"JWT_SECRET_PREVIOUS=" + secretC.Reveal()}, nil},
		{"empty", nil, []string{"JWT_SECRET"}},
		{"short", []string{"JWT_SECRET=short", "JWT_SECRET_NEXT=short", "JWT_SECRET_PREVIOUS=short"},
			[]string{"JWT_SECRET", "JWT_SECRET_NEXT", "JWT_SECRET_PREVIOUS"}},
		{"nothing but a next one", []string{"JWT_SECRET_NEXT=" + secretB.Reveal()}, []string{"JWT_SECRET"}},
		{"polls too often", []string{"JWT_SECRET=" + secretA.Reveal(), "JWT_KEYS_POLL=99ms"}, []string{"JWT_KEYS_POLL"}},
		{"polls too rarely", []string{"JWT_SECRET=" + secretA.Reveal(), "JWT_KEYS_POLL=301s"}, []string{"JWT_KEYS_POLL"}},
		{"an example", []string{"JWT_SECRET=your-256-bit-secret-goes-right-here!"}, []string{"JWT_SECRET"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := config.Load(&production{}, c.environ)
			var m *config.Mistakes
			var got []string
			if errors.As(err, &m) {
				got = m.Names()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("what is wrong differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigWantsIssuerAndAudience(t *testing.T) {
	t.Parallel()
	var m config.Mistakes
	(&token.Config{Secret: secretA, KeysPoll: time.Second}).Validate(&m)
	if diff := cmp.Diff([]string{"JWT_ISSUER", "JWT_AUDIENCE"}, m.Names()); diff != "" {
		t.Errorf("what is wrong differs (-want +got):\n%s", diff)
	}
}

// production is the settings of a process that has nothing but tokens.
type production struct{ Token token.Config }

func (p *production) Validate(m *config.Mistakes) {
	m.Mode(config.Production)
	p.Token.Validate(m)
}

func BenchmarkVerify(b *testing.B) {
	k := newKeyring(b, token.Config{Secret: secretA})
	signed := sign(b, k, ana)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Verify(signed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyBadSignature(b *testing.B) {
	k := newKeyring(b, token.Config{Secret: secretA})
	signed := sign(b, k, ana)
	signed = signed[:len(signed)-43] + strings.Repeat("A", 43)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Verify(signed); err == nil {
			b.Fatal("a bad signature passes")
		}
	}
}
