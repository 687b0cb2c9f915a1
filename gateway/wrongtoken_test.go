package gateway

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for HS384 and HS512
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

// forger makes tokens that a backend would not, with the key that it would use.
type forger struct {
	header, payload map[string]any // of a good token
	good            string
	sign            func(text string) []byte
	public          []byte // of an EdDSA key
}

func newForger(t *testing.T, good string, key token.StoredKey) *forger {
	t.Helper()
	f := &forger{good: good}
	for i, into := range []any{&f.header, &f.payload} {
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	secret := []byte(key.Secret.Reveal())
	f.sign = hmacBy(crypto.SHA256, secret)
	if key.Algorithm == token.EdDSA {
		private := ed25519.NewKeyFromSeed(secret)
		f.public = private.Public().(ed25519.PublicKey)
		f.sign = func(text string) []byte { return ed25519.Sign(private, []byte(text)) }
	}
	return f
}

func hmacBy(h crypto.Hash, key []byte) func(string) []byte {
	return func(text string) []byte {
		mac := hmac.New(h.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

func (f *forger) signed(header, payload any, sign func(string) []byte) string {
	text := segment(header) + "." + segment(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

// segment encodes a JSON text, or a value as one.
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

// changed returns a copy of m with one member changed; nil removes it.
func changed(m map[string]any, name string, value any) map[string]any {
	m = maps.Clone(m)
	if m[name] = value; value == nil {
		delete(m, name)
	}
	return m
}

// bearers lists tokens that must be refused, by what is wrong with them.
func (f *forger) bearers(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{
		"garbage":              "garbage",
		"dots":                 strings.Repeat(".", 3000),
		"a long one":           strings.Repeat("a", 5000),
		"a longer one":         strings.Repeat("a", 14<<10),
		"signed, and too long": f.signed(f.header, changed(f.payload, "user", strings.Repeat("a", 5000)), f.sign),
		"two segments":         f.good[:strings.LastIndexByte(f.good, '.')],
		"four segments":        f.good + ".e30",
		"a blank within":       strings.Replace(f.good, ".", ". ", 1),
		"no signature":         f.good[:strings.LastIndexByte(f.good, '.')+1],
		"padding":              f.good + "=",
		"another payload":      f.another(),
		"a year old":           f.signed(f.header, changed(f.payload, "exp", time.Now().AddDate(-1, 0, 0).Unix()), f.sign),
		"no header":            f.signed("", f.payload, f.sign),
		"a header of a list":   f.signed("[]", f.payload, f.sign),
		"deep claims":          f.signed(f.header, `{"a":`+strings.Repeat("[", 1200)+strings.Repeat("]", 1200)+"}", f.sign),
	}
	for unused := 1; unused < 4; unused++ {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, f.good[len(f.good)-1])
		list[fmt.Sprint("unused bits ", unused)] = f.good[:len(f.good)-1] + string(alphabet[last+unused])
	}
	f.addAlgorithms(t, list)
	f.addHeaders(list)
	f.addClaims(t, list)
	return list
}

// another is the good token with another tenant and its old signature.
func (f *forger) another() string {
	segments := strings.Split(f.good, ".")
	return segments[0] + "." + segment(changed(f.payload, "tenant_id", "tenant2")) + "." + segments[2]
}

func (f *forger) addAlgorithms(t *testing.T, list map[string]string) {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) []byte { return nil }
	for alg, sign := range map[string]func(string) []byte{
		"none": none, "None": none, "NONE": none, "": f.sign,
		"hs256": f.sign, "eddsa": f.sign, "ED25519": f.sign, "HS999": f.sign,
		"HS384": hmacBy(crypto.SHA384, []byte(testSecret)), "HS512": hmacBy(crypto.SHA512, []byte(testSecret)),
		"RS256": func(text string) []byte {
			sum := sha256.Sum256([]byte(text))
			signature, err := rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, sum[:])
			if err != nil {
				t.Error(err)
			}
			return signature
		},
		"EdDSA": func(text string) []byte { return ed25519.Sign(stranger, []byte(text)) },
		"HS256": hmacBy(crypto.SHA256, append([]byte("x"), f.public...)),
	} {
		list["alg "+alg] = f.signed(changed(f.header, "alg", alg), f.payload, sign)
	}
	list["HS256 with the public key"] = f.signed(changed(f.header, "alg", "HS256"), f.payload, hmacBy(crypto.SHA256, f.public))
	list["no alg"] = f.signed(changed(f.header, "alg", nil), f.payload, f.sign)
	list["a number for an alg"] = f.signed(changed(f.header, "alg", 256), f.payload, f.sign)
}

func (f *forger) addHeaders(list map[string]string) {
	for name, kid := range map[string]any{
		"no": nil, "an empty": "", "a wrong": "0123456789abcdef", "another": strings.Repeat("A", 43), "a path for a": "../../dev/null",
		"a number for a": 7, "a list for a": []any{f.header["kid"]}, "a long": strings.Repeat("k", 1000),
	} {
		list[name+" kid"] = f.signed(changed(f.header, "kid", kid), f.payload, f.sign)
	}
	for name, value := range map[string]any{
		"crit": []string{"exp"}, "b64": false, "jku": "https://attacker.example/jwks.json", "x5u": "https://attacker.example/cert.pem",
		"x5c": []string{"MIIB"}, "cty": "JWT", "zip": "DEF",
		"jwk": map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(make([]byte, 32))},
	} {
		list["with "+name] = f.signed(changed(f.header, name, value), f.payload, f.sign)
	}
}

func (f *forger) addClaims(t *testing.T, list map[string]string) {
	t.Helper()
	raw, err := json.Marshal(f.payload)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range f.payload {
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		list["twice "+name] = f.signed(f.header, string(raw[:len(raw)-1])+`,"`+name+`":`+string(again)+"}", f.sign)
		list["no "+name] = f.signed(f.header, changed(f.payload, name, nil), f.sign)
		for _, wrong := range []any{true, map[string]any{}, []any{7}, json.RawMessage("null"), json.RawMessage("1e300")} {
			list[fmt.Sprintf("%s of %s", name, wrong)] = f.signed(f.header, changed(f.payload, name, wrong), f.sign)
		}
	}
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		claim string
		value any
	}{
		"exp as text":            {"exp", fmt.Sprint(now + 60)},
		"exp in the year 9999":   {"exp", 253402300799},
		"exp before 1970":        {"exp", -1},
		"exp, the largest":       {"exp", json.RawMessage("9223372036854775807")},
		"exp of half a second":   {"exp", json.RawMessage(fmt.Sprint(now+60) + ".5")},
		"nbf in the future":      {"nbf", now + 120},
		"another issuer":         {"iss", "evil"},
		"another audience":       {"aud", []string{"evil"}},
		"another case":           {"aud", "GATEHOUSE"},
		"a user that is no UUID": {"sub", "' OR 1=1 --"},
		"an operator outside":    {"role", "operator"},
		"an unknown role":        {"role", "root"},
	} {
		list[name] = f.signed(f.header, changed(f.payload, c.claim, c.value), f.sign)
	}
}

// TestWrongTokens sends every wrong token that can be thought of through a whole
// gateway, twice, so that nothing comes out of the cache either: each is the same
// 401, and no request reaches the backend.
func TestWrongTokens(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) (r *rig, good string, key token.StoredKey){
		"HS256": func(t *testing.T) (*rig, string, token.StoredKey) {
			r := newRig(t, nil)
			return r, r.token(t, "tenant1"), token.ImportSecret(testSecret, time.Now())
		},
		"EdDSA": func(t *testing.T) (*rig, string, token.StoredKey) {
			r, f, _ := newJWKSRig(t)
			return r, sign(t, f.Keyring, "tenant1", uuid.New()), f.keys[0]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, good, key := start(t)
			f := newForger(t, good, key)
			reached := func() (n int) {
				r.backend.mu.Lock()
				defer r.backend.mu.Unlock()
				for _, request := range r.backend.requests {
					if request.target != "/.well-known/jwks.json" {
						n++
					}
				}
				return n
			}
			if a := r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer " + f.signed(f.header, f.payload, f.sign)}, ""); a.status != 200 {
				t.Fatalf("the forger makes no good tokens: %d %s", a.status, a.body)
			}
			before := reached()
			refused := func(what string, a answer) {
				t.Helper()
				if a.status != 401 {
					t.Errorf("%s: %d %s", what, a.status, a.body)
					return
				}
				p := a.problem(t, 401, "unauthenticated")
				if findings, _ := p["errors"].([]any); p["detail"] != "Invalid token, please login again" || len(findings) > 0 {
					t.Errorf("%s: %s tells more than that", what, a.body)
				}
				if !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer") {
					t.Errorf("%s: WWW-Authenticate = %q", what, a.header.Get("Www-Authenticate"))
				}
			}
			wrong := f.bearers(t)
			for range 2 {
				for what, bearer := range wrong {
					refused(what, r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer " + bearer}, ""))
				}
			}
			for what, header := range map[string]string{
				"an empty header": "", "a scheme alone": "Bearer", "a scheme and a blank": "Bearer ", "another scheme": "Basic " + good,
				"no scheme": good, "two blanks": "Bearer  " + good, "a tab": "Bearer\t" + good, "two tokens": "Bearer " + good + ", Bearer " + good,
				"a parameter": `Bearer token="` + good + `"`,
			} {
				refused(what, r.do(t, "GET", "/things/7", map[string]string{"Authorization": header}, ""))
			}
			for what, second := range map[string]string{"again": "Bearer " + good, "another": "Bearer x", "empty": ""} {
				for _, order := range [][2]string{{"Bearer " + good, second}, {second, "Bearer " + good}} {
					refused("two headers, "+what, r.raw(t, "GET /things/7 HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: "+
						order[0]+"\r\nauthorization: "+order[1]+"\r\n\r\n", "GET"))
				}
			}
			refused("none", r.do(t, "GET", "/things/7", nil, ""))
			refused("in the query", r.do(t, "GET", "/things/7?access_token="+good, nil, ""))
			refused("in a cookie", r.do(t, "GET", "/things/7", map[string]string{"Cookie": "token=" + good + "; access_token=" + good}, ""))
			refused("in another header", r.do(t, "GET", "/things/7", map[string]string{"X-Authorization": "Bearer " + good, "X-Access-Token": good}, ""))
			if n := reached() - before; n != 0 {
				t.Errorf("%d requests without a valid token reached the backend", n)
			}
			if len(wrong) < 100 {
				t.Errorf("%d wrong tokens only", len(wrong))
			}
			// And the good one is none the worse for it.
			if a := r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer " + good}, ""); a.status != 200 {
				t.Errorf("the good token is answered %d", a.status)
			}
		})
	}
}

// TestTokensTooLongForAHeader: what is larger than all headers together may be
// is refused before it is looked at.
func TestTokensTooLongForAHeader(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, filler := range []string{"a", "."} {
		r.do(t, "GET", "/things/7", map[string]string{"Authorization": "Bearer " + strings.Repeat(filler, 100<<10)}, "").
			problem(t, 431, "headers_too_large")
	}
}
