package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for HS384, HS512 and RS512
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

// forger makes tokens that Sign would not, with the key that it would use.
type forger struct {
	keyring *token.Keyring
	header  map[string]any // of a good token
	payload map[string]any // of a good token
	good    string
}

func newForger(t testing.TB) *forger {
	k := newKeyring(t, token.Config{Secret: secretA})
	good := sign(t, k, ana)
	header, payload, _ := parts(t, good)
	return &forger{k, header, payload, good}
}

func (f *forger) segments() []string { return strings.Split(f.good, ".") }

// with returns a copy of m with one member changed; nil removes it.
func with(m map[string]any, name string, value any) map[string]any {
	m = maps.Clone(m)
	if value == nil {
		delete(m, name)
	} else {
		m[name] = value
	}
	return m
}

// token signs a header and a payload, each a map or a JSON text.
func (f *forger) token(header, payload any) string {
	text := segment(header) + "." + segment(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(mac(crypto.SHA256, secretA.Reveal(), text))
}

// claims signs a payload under the good header.
func (f *forger) claims(payload any) string { return f.token(f.header, payload) }

func segment(v any) string {
	text, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func mac(h crypto.Hash, key, text string) []byte {
	m := hmac.New(h.New, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// refuses verifies a token and wants it refused for this reason.
func (f *forger) refuses(t *testing.T, name, forged string, want token.Kind) {
	t.Helper()
	got, err := f.keyring.Verify(forged)
	if token.KindOf(err) != want {
		t.Errorf("%s: %v, want %s", name, err, want)
	}
	if got != (token.Claims{}) {
		t.Errorf("%s: refused with claims %+v", name, got)
	}
}

func TestForgerMakesGoodTokens(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for name, good := range map[string]string{
		"signed":           f.good,
		"forged":           f.token(f.header, f.payload),
		"without a typ":    f.token(with(f.header, "typ", nil), f.payload),
		"with a new claim": f.claims(with(f.payload, "plan", "free")),
		"one audience":     f.claims(with(f.payload, "aud", "gatehouse")),
		"two audiences":    f.claims(with(f.payload, "aud", []string{"other", "gatehouse"})),
	} {
		if _, err := f.keyring.Verify(good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	s := f.segments()
	f.refuses(t, "nothing", "", token.Missing)
	for name, text := range map[string]string{
		"garbage":              "garbage",
		"a blank":              " ",
		"NUL":                  "\x00",
		"one dot":              ".",
		"two dots":             "..",
		"3,000 dots":           strings.Repeat(".", 3000),
		"100 KiB":              strings.Repeat("a", 100<<10),
		"100 KiB of dots":      strings.Repeat(".", 100<<10),
		"two segments":         s[0] + "." + s[1],
		"four segments":        f.good + "." + s[2],
		"a JWE's segments":     f.good + "." + s[2] + "." + s[2],
		"a blank before":       " " + f.good,
		"a blank behind":       f.good + " ",
		"the scheme":           "Bearer " + f.good,
		"a line end behind":    f.good + "\n",
		"a line end within":    s[0] + "." + s[1] + "." + s[2][:9] + "\r\n" + s[2][9:],
		"a padded signature":   f.good + "=",
		"a padded payload":     s[0] + "." + s[1] + "=." + s[2],
		"a padded header":      s[0] + "==." + s[1] + "." + s[2],
		"standard base64":      s[0] + "." + s[1] + "." + "+/" + s[2][2:],
		"no header":            "." + s[1] + "." + s[2],
		"no payload":           f.token(f.header, ""),
		"a header of text":     f.token("text", f.payload),
		"a header of null":     f.token("null", f.payload),
		"a header of a list":   f.token("[]", f.payload),
		"an unended header":    f.token(`{"alg":"HS256"`, f.payload),
		"a payload of text":    f.claims("text"),
		"a payload of null":    f.claims("null"),
		"a payload of a list":  f.claims("[]"),
		"an empty payload":     f.claims("{}"),
		"an unended payload":   f.claims(`{"iss":"gatehouse"`),
		"something behind":     f.claims(rawPayload(f) + "{}"),
		"invalid UTF-8":        f.claims(strings.Replace(rawPayload(f), "ana", "an\xff", 1)),
		"a surrogate half":     f.claims(strings.Replace(rawPayload(f), "ana", `an\ud800`, 1)),
		"deeply nested claims": f.claims(`{"a":` + strings.Repeat("[", 1200) + strings.Repeat("]", 1200) + "}"),
	} {
		f.refuses(t, name, text, token.Malformed)
	}
}

func rawPayload(f *forger) string {
	b, err := json.Marshal(f.payload)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestVerifyRefusesUnusedBits(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	// The last of 43 characters carries four bits of the MAC and two unused
	// ones, which are zero.
	last := strings.IndexByte(alphabet, f.good[len(f.good)-1])
	if last%4 != 0 {
		t.Fatalf("the good token ends in unused bits: %q", f.good)
	}
	for unused := 1; unused < 4; unused++ {
		f.refuses(t, "unused bits", f.good[:len(f.good)-1]+string(alphabet[last+unused]), token.Malformed)
	}
}

func TestVerifyPinsTheAlgorithm(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	payload := segment(f.payload)
	// signed signs with the algorithm that its header names.
	signed := func(alg any, signature func(text string) []byte) string {
		text := segment(with(f.header, "alg", alg)) + "." + payload
		return text + "." + base64.RawURLEncoding.EncodeToString(signature(text))
	}
	none := func(string) []byte { return nil }
	hs := func(h crypto.Hash) func(string) []byte {
		return func(text string) []byte { return mac(h, secretA.Reveal(), text) }
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	es := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, ecKey, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		want        token.Kind
	}{
		{"none", signed("none", none), token.BadSignature},
		{"none with a good MAC", signed("none", hs(crypto.SHA256)), token.BadSignature},
		{"None", signed("None", none), token.Malformed},
		{"NONE", signed("NONE", none), token.Malformed},
		{"hs256", signed("hs256", hs(crypto.SHA256)), token.Malformed},
		{"HS384", signed("HS384", hs(crypto.SHA384)), token.BadSignature},
		{"HS512", signed("HS512", hs(crypto.SHA512)), token.BadSignature},
		{"RS256", signed("RS256", rs), token.BadSignature},
		{"RS256 with our secret's MAC", signed("RS256", hs(crypto.SHA256)), token.BadSignature},
		{"ES256", signed("ES256", es), token.BadSignature},
		{"EdDSA", signed("EdDSA", func(text string) []byte { return ed25519.Sign(edKey, []byte(text)) }), token.BadSignature},
		{"an unknown one", signed("HS999", hs(crypto.SHA256)), token.Malformed},
		{"an empty one", signed("", hs(crypto.SHA256)), token.Malformed},
		{"no text", signed(256, hs(crypto.SHA256)), token.Malformed},
		{"absent", signed(nil, hs(crypto.SHA256)), token.Malformed},
	} {
		f.refuses(t, c.name, c.token, c.want)
	}
}

func TestVerifyRefusesWrongSignatures(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	s := f.segments()
	another := sign(t, f.keyring, ana)
	text := s[0] + "." + s[1] + "."
	encode := base64.RawURLEncoding.EncodeToString
	for name, forged := range map[string]string{
		"none":            text,
		"of zeros":        text + encode(make([]byte, 32)),
		"of another":      text + strings.Split(another, ".")[2],
		"cut short":       text + encode(mac(crypto.SHA256, secretA.Reveal(), s[0]+"."+s[1])[:16]),
		"made longer":     text + encode(append(mac(crypto.SHA256, secretA.Reveal(), s[0]+"."+s[1]), 0)),
		"by no key":       text + encode(mac(crypto.SHA256, "", s[0]+"."+s[1])),
		"by another key":  text + encode(mac(crypto.SHA256, secretB.Reveal(), s[0]+"."+s[1])),
		"by the kid":      text + encode(mac(crypto.SHA256, f.header["kid"].(string), s[0]+"."+s[1])),
		"another payload": s[0] + "." + segment(with(f.payload, "tenant_id", "tenant2")) + "." + s[2],
		"another header":  segment(with(f.header, "typ", "at+jwt")) + "." + s[1] + "." + s[2],
	} {
		f.refuses(t, name, forged, token.BadSignature)
	}
}

func TestVerifyFindsTheKeyByKid(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	other, _, _ := parts(t, sign(t, newKeyring(t, token.Config{Secret: secretB}), ana))
	for name, kid := range map[string]any{
		"absent":                  nil,
		"empty":                   "",
		"unknown":                 "0123456789abcdef",
		"of another installation": other["kid"],
		"upper case":              strings.ToUpper(f.header["kid"].(string)) + "A",
		"a path":                  "../../dev/null",
		"a number":                7,
		"a list":                  []any{f.header["kid"]},
		"long":                    strings.Repeat("k", 2000),
	} {
		f.refuses(t, name, f.token(with(f.header, "kid", kid), f.payload), token.UnknownKey)
	}
}

func TestVerifyRefusesHeadersThatSignDoesNotSet(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for name, value := range map[string]any{
		"crit": []string{"exp"},
		"b64":  false,
		"jwk":  map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte("attacker"))},
		"jku":  "https://attacker.example/jwks.json",
		"x5u":  "https://attacker.example/cert.pem",
		"x5c":  []string{"MIIB"},
		"cty":  "JWT",
		"zip":  "DEF",
		"KID":  f.header["kid"],
	} {
		f.refuses(t, name, f.token(with(f.header, name, value), f.payload), token.Malformed)
		// The attack: the key that comes with the token signs it.
		text := segment(with(f.header, name, value)) + "." + segment(f.payload)
		attack := text + "." + base64.RawURLEncoding.EncodeToString(mac(crypto.SHA256, "attacker", text))
		f.refuses(t, name+" with its own key", attack, token.Malformed)
	}
}

func TestVerifyWantsEveryClaim(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	want := []string{"iss", "aud", "sub", "tenant_id", "user", "login_session", "role", "iat", "nbf", "exp", "jti"}
	if len(f.payload) != len(want) {
		t.Errorf("a good token has %d claims, want %d", len(f.payload), len(want))
	}
	for _, name := range want {
		f.refuses(t, "without "+name, f.claims(with(f.payload, name, nil)), token.Malformed)
		f.refuses(t, "null "+name, f.claims(with(f.payload, name, json.RawMessage("null"))), token.Malformed)
		// Names are exact; RFC 7519 section 4 asks for that.
		upper := with(with(f.payload, name, nil), strings.ToUpper(name), f.payload[name])
		f.refuses(t, "upper-case "+name, f.claims(upper), token.Malformed)
	}
	for _, name := range []string{"sub", "tenant_id", "user", "login_session", "role", "jti"} {
		f.refuses(t, "empty "+name, f.claims(with(f.payload, name, "")), token.Malformed)
	}
}

func TestVerifyRefusesClaimsOfAnotherType(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	seconds := map[string]bool{"iat": true, "nbf": true, "exp": true}
	for name := range f.payload {
		for _, value := range []any{true, 1.5, []any{}, []any{7}, map[string]any{}, map[string]any{"a": "b"}} {
			f.refuses(t, fmt.Sprintf("%s of %v", name, value), f.claims(with(f.payload, name, value)), token.Malformed)
		}
		if seconds[name] {
			text := fmt.Sprintf("%.0f", f.payload[name])
			f.refuses(t, name+" as text", f.claims(with(f.payload, name, text)), token.Malformed)
		} else {
			f.refuses(t, name+" as a number", f.claims(with(f.payload, name, 7)), token.Malformed)
		}
	}
}

func TestVerifyRefusesDuplicateClaims(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	raw := rawPayload(f)
	for name := range f.payload {
		value, err := json.Marshal(f.payload[name])
		if err != nil {
			t.Fatal(err)
		}
		f.refuses(t, "again "+name, f.claims(raw[:len(raw)-1]+`,"`+name+`":`+string(value)+"}"), token.Malformed)
	}
	f.refuses(t, "another tenant before", f.claims(`{"tenant_id":"tenant2",`+raw[1:]), token.Malformed)
	f.refuses(t, "another tenant, escaped", f.claims(`{"tenant\u005fid":"tenant2",`+raw[1:]), token.Malformed)
}

func TestVerifyHoldsTheTimes(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	const year9999 = 253402300799
	longest := now.Add(token.MaxLifetime + token.Leeway).Unix()
	at := now.Unix()
	for _, c := range []struct {
		name  string
		claim string
		value any
		want  token.Kind
	}{
		{"an expiry in the past", "exp", at - 3600, token.Expired},
		{"an expiry at the epoch", "exp", 0, token.Expired},
		{"an expiry before the epoch", "exp", -1, token.Expired},
		{"the latest expiry", "exp", longest, ""},
		{"a later expiry", "exp", longest + 1, token.Malformed},
		{"the year 9999", "exp", year9999, token.Malformed},
		{"the largest number", "exp", json.RawMessage("9223372036854775807"), token.Expired}, // wraps in package time
		{"a number too large", "exp", json.RawMessage("9223372036854775808"), token.Malformed},
		{"a huge number", "exp", json.RawMessage("1e300"), token.Malformed},
		{"part of a second", "exp", json.RawMessage(fmt.Sprintf("%d.5", at+60)), token.Malformed},
		{"valid from later on", "nbf", at + 31, token.NotYetValid},
		{"valid from the year 9999", "nbf", year9999, token.NotYetValid},
		{"valid from just now", "nbf", at + 30, ""},
		{"valid for long", "nbf", 0, ""},
		{"issued long ago", "iat", 0, ""},
	} {
		forged := f.claims(with(f.payload, c.claim, c.value))
		if c.want != "" {
			f.refuses(t, c.name, forged, c.want)
		} else if _, err := f.keyring.Verify(forged); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestVerifyHoldsIssuerAndAudience(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for name, issuer := range map[string]string{"another": "evil", "longer": "gatehouse2", "upper case": "Gatehouse"} {
		f.refuses(t, "issuer, "+name, f.claims(with(f.payload, "iss", issuer)), token.WrongIssuer)
	}
	for name, audience := range map[string]any{
		"another": []string{"evil"}, "alone": "evil", "upper case": "GATEHOUSE", "many": []string{"a", "b", "gatehouse2"},
	} {
		f.refuses(t, "audience, "+name, f.claims(with(f.payload, "aud", audience)), token.WrongAudience)
	}
	for name, audience := range map[string]any{"empty": "", "no": []string{}, "partly a number": []any{"gatehouse", 7}} {
		f.refuses(t, "audience, "+name, f.claims(with(f.payload, "aud", audience)), token.Malformed)
	}
	// An installation's tokens are worth nothing to another one that has the
	// same secret.
	staging := newKeyring(t, token.Config{Secret: secretA, Issuer: "staging", Audience: "staging"})
	if _, err := staging.Verify(f.good); token.KindOf(err) != token.WrongIssuer && token.KindOf(err) != token.WrongAudience {
		t.Errorf("another installation's token: %v", err)
	}
}

// TestVerifyRefusesRolesThatCannotExist: even a good signature makes no operator
// outside the platform.
func TestVerifyRefusesRolesThatCannotExist(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for _, c := range []struct{ tenant, role string }{
		{"tenant1", "operator"}, {"Platform", "operator"}, {"platform ", "operator"},
		{"platform", "admin"}, {"platform", "member"},
		{"tenant1", "root"}, {"tenant1", "Admin"}, {"tenant1", "member "}, {"tenant1", "admin,member"},
	} {
		forged := f.claims(with(with(f.payload, "tenant_id", c.tenant), "role", c.role))
		f.refuses(t, c.role+" of "+c.tenant, forged, token.Malformed)
	}
}

func TestVerifyRefusesWrongIdentifiers(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for _, claim := range []string{"sub", "login_session"} {
		for _, id := range []string{"7", "ana", user.String() + "0", uuid.Nil.String(), "' OR 1=1 --", strings.Repeat("g", 36)} {
			f.refuses(t, claim+" "+id, f.claims(with(f.payload, claim, id)), token.Malformed)
		}
	}
}

var (
	badTenants = []string{
		"", "\x00", "tenant\x00", "tenant1\n", "-tenant", "_tenant", "ten ant", "ten.ant", "ten/ant", "ténant", "tenant'", strings.Repeat("a", 37),
	}
	badUsernames = []string{"", "ana\x00", "\x00", "a\nna", "ana\t", "ana\x7f", "ana\u0085", strings.Repeat("a", 256), strings.Repeat("日", 256)}
)

// TestVerifyRefusesMalformedNames: even a good signature brings nothing in that
// the databases would choke on.
func TestVerifyRefusesMalformedNames(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for claim, values := range map[string][]string{"tenant_id": badTenants, "user": badUsernames} {
		for _, value := range values {
			f.refuses(t, fmt.Sprintf("%s %q", claim, value), f.claims(with(f.payload, claim, value)), token.Malformed)
		}
	}
	for claim, values := range map[string][]string{
		"tenant_id": {"0", "a-_", "Z9", strings.Repeat("a", 36)},
		"user":      {"a", "José da Silva", "o'hara@example.com", strings.Repeat("日", 255)},
	} {
		for _, value := range values {
			if _, err := f.keyring.Verify(f.claims(with(f.payload, claim, value))); err != nil {
				t.Errorf("%s %q: %v", claim, value, err)
			}
		}
	}
}

func TestVerifyLooksAtFourKiB(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	// Base64 grows by one or two characters with each letter.
	longest, tooLong := "", ""
	for n := 2400; tooLong == ""; n++ {
		switch long := f.claims(with(f.payload, "plan", strings.Repeat("a", n))); {
		case len(long) > token.MaxBytes:
			tooLong = long
		default:
			longest = long
		}
	}
	if len(longest) < token.MaxBytes-1 || len(tooLong) > token.MaxBytes+2 {
		t.Fatalf("the test's tokens have %d and %d bytes", len(longest), len(tooLong))
	}
	if _, err := f.keyring.Verify(longest); err != nil {
		t.Errorf("a token of %d bytes: %v", len(longest), err)
	}
	f.refuses(t, "a longer token", tooLong, token.Malformed)
}

// TestVerifyDoesNoWorkForLongTokens is not parallel: AllocsPerRun counts what
// the whole process allocates.
func TestVerifyDoesNoWorkForLongTokens(t *testing.T) {
	f := newForger(t)
	for name, long := range map[string]string{
		"dots":    strings.Repeat(".", 1<<20),
		"letters": strings.Repeat("a", 1<<20),
	} {
		if n := testing.AllocsPerRun(10, func() { _, _ = f.keyring.Verify(long) }); n > 1 {
			t.Errorf("%s: %v allocations, want the error's alone", name, n)
		}
	}
}

func FuzzVerify(f *testing.F) {
	forge := newForger(f)
	f.Add(forge.good)
	f.Add("")
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(strings.Replace(forge.good, ".", "..", 1))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := forge.keyring.Verify(text)
		if i := strings.LastIndexByte(text, '.'); err == nil &&
			text[i+1:] != base64.RawURLEncoding.EncodeToString(mac(crypto.SHA256, secretA.Reveal(), text[:i])) {
			t.Errorf("%q passes as %+v", text, got)
		}
		checkVerdict(t, got, err)
	})
}

// FuzzVerifySigned gives foreign headers and payloads a good signature, so that
// what comes behind the signature check is reached.
func FuzzVerifySigned(f *testing.F) {
	forge := newForger(f)
	header, err := json.Marshal(forge.header)
	if err != nil {
		f.Fatal(err)
	}
	payload := rawPayload(forge)
	f.Add(string(header), payload)
	f.Add(string(header), `{"exp":9223372036854775807}`)
	f.Add(string(header), strings.Replace(payload, "member", "operator", 1))
	f.Add(`{"alg":"HS256"}`, "null")
	f.Add(strings.Replace(string(header), "{", `{"crit":["exp"],`, 1), payload)
	f.Fuzz(func(t *testing.T, header, payload string) {
		got, err := forge.keyring.Verify(forge.token(header, payload))
		checkVerdict(t, got, err)
	})
}

// checkVerdict wants a whole identity or a typed error, and nothing between.
func checkVerdict(t *testing.T, c token.Claims, err error) {
	t.Helper()
	if err != nil {
		if token.KindOf(err) == "" || c != (token.Claims{}) {
			t.Errorf("refused with %v and claims %+v", err, c)
		}
		return
	}
	operator, platform := c.Role == token.Operator, c.Tenant == token.PlatformTenant
	if c.UserID == uuid.Nil || c.Session == uuid.Nil || c.Tenant == "" || c.Username == "" || c.ID == "" ||
		operator != platform || c.ExpiresAt.After(now.Add(token.MaxLifetime+token.Leeway)) ||
		!c.ExpiresAt.After(now.Add(-token.Leeway)) || c.IssuedAt.Equal(time.Time{}) {
		t.Errorf("passes with claims %+v", c)
	}
}
