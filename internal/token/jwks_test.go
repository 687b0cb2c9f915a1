package token_test

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/token"
)

// rfc8037 is the public key of RFC 8037 appendix A.2 as this package writes it.
const rfc8037 = `{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA",` +
	`"kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`

func parseJWKS(t testing.TB, content []byte) []*token.Key {
	t.Helper()
	keys, err := token.ParseJWKS(content)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestJWKSHoldsThePublicKeys(t *testing.T) {
	t.Parallel()
	keys := beginKeys(t, token.EdDSA, token.EdDSA)
	for range 2 {
		var err error
		if keys, err = token.Rotate(keys, "", 0, now); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := token.Revoke(keys, keys[0].ID, now)
	if err != nil {
		t.Fatal(err)
	}
	keys = append(keys, token.ImportSecret(secretA, now))
	keys[len(keys)-1].State = token.StateRetiring
	document := newKeysDir(t, keys).open(t).JWKS()

	var got struct{ Keys []map[string]string }
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{keys[1].ID: true, keys[2].ID: true, keys[3].ID: true} // retiring, active, next
	for _, k := range got.Keys {
		if !want[k["kid"]] || k["kty"] != "OKP" || k["crv"] != "Ed25519" || k["alg"] != "EdDSA" || k["use"] != "sig" || len(k) != 6 {
			t.Errorf("the document has %v", k)
		}
		delete(want, k["kid"])
	}
	if len(want) > 0 {
		t.Errorf("the document lacks %v", want)
	}
	for _, k := range keys {
		if secret := base64.RawURLEncoding.EncodeToString([]byte(k.Secret.Reveal())); secret != "" && strings.Contains(string(document), secret) {
			t.Error("the document holds a secret")
		}
	}
	if got := newKeyring(t, token.Config{Secret: secretA, Next: secretB}).JWKS(); string(got) != `{"keys":[]}` {
		t.Errorf("secrets alone give %s", got)
	}
}

func TestThumbprint(t *testing.T) {
	t.Parallel()
	keys := parseJWKS(t, []byte(`{"keys":[`+rfc8037+`]}`))
	if len(keys) != 1 || keys[0].ID() != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("got %v", keys)
	}
}

// TestFetchedKeysVerify: a gateway has the public keys only, and follows them
// through rotations as if it had the file.
func TestFetchedKeysVerify(t *testing.T) {
	t.Parallel()
	stored := beginKeys(t, token.EdDSA, token.EdDSA)
	d := newKeysDir(t, stored)
	backend, gateway := d.open(t), newKeyring(t, token.Config{})
	fetch := func() (grown bool) {
		before := gateway.Generation()
		gateway.SetFetched(parseJWKS(t, backend.JWKS()))
		return gateway.Generation() > before
	}
	if !fetch() || gateway.Empty() {
		t.Error("the first keys are not new")
	}
	if fetch() {
		t.Error("the same keys are new")
	}
	first := sign(t, backend, ana)
	claims, key, err := gateway.VerifyKey(first)
	if err != nil || claims.Username != "ana" {
		t.Fatalf("%+v, %v", claims, err)
	}
	if _, err := gateway.Sign(ana, time.Minute); err == nil {
		t.Error("a public key signs")
	}
	stored, err = token.Rotate(stored, "", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	d.write(t, format(t, stored))
	if err := backend.Reload(); err != nil {
		t.Fatal(err)
	}
	// The gateway has not heard of it yet, and knows the key already.
	if _, err := gateway.Verify(sign(t, backend, ana)); err != nil {
		t.Errorf("a token of the key that was next: %v", err)
	}
	if !fetch() || !key.Trusted(now) {
		t.Error("the rotation brought no key, or took one away")
	}
	without := slices.DeleteFunc(parseJWKS(t, backend.JWKS()), func(k *token.Key) bool { return k.ID() == key.ID() })
	if gateway.SetFetched(without); key.Trusted(now) {
		t.Error("a key that is no longer served is trusted")
	}
	if _, err := gateway.Verify(first); token.KindOf(err) != token.UnknownKey {
		t.Errorf("its token: %v", err)
	}
	// Beside a secret of its own.
	both := newKeyring(t, token.Config{Secret: secretA})
	both.SetFetched(parseJWKS(t, backend.JWKS()))
	for name, signer := range map[string]*token.Keyring{"secret": newKeyring(t, token.Config{Secret: secretA}), "key": backend} {
		if _, err := both.Verify(sign(t, signer, ana)); err != nil {
			t.Errorf("the %s's token: %v", name, err)
		}
	}
	if string(both.JWKS()) != `{"keys":[]}` {
		t.Error("fetched keys are served as its own")
	}
}

// TestAlgorithmIsTheKeysOwn: a public key is no secret, and a secret no private
// key (RFC 8725 section 2.1).
func TestAlgorithmIsTheKeysOwn(t *testing.T) {
	t.Parallel()
	stored := beginKeys(t, token.EdDSA, token.HS256)
	k := newKeysDir(t, stored).open(t)
	seed := []byte(stored[0].Secret.Reveal())
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	_, payload, _ := parts(t, sign(t, k, ana))
	forge := func(alg, kid string, signature func(text string) []byte) string {
		text := segment(map[string]any{"typ": "JWT", "alg": alg, "kid": kid}) + "." + segment(payload)
		return text + "." + base64.RawURLEncoding.EncodeToString(signature(text))
	}
	edDSA := func(text string) []byte { return ed25519.Sign(private, []byte(text)) }
	hmacOf := func(key []byte) func(string) []byte {
		return func(text string) []byte { return mac(crypto.SHA256, string(key), text) }
	}
	if _, err := k.Verify(forge("EdDSA", stored[0].ID, edDSA)); err != nil {
		t.Fatalf("the forger makes no good tokens: %v", err)
	}
	secret := []byte(stored[1].Secret.Reveal())
	if _, err := k.Verify(forge("HS256", stored[1].ID, hmacOf(secret))); err != nil {
		t.Fatalf("the forger makes no good tokens: %v", err)
	}
	for _, c := range []struct {
		name, token string
		want        token.Kind
	}{
		{"HS256 with the public key", forge("HS256", stored[0].ID, hmacOf(public)), token.BadSignature},
		{"HS256 with the seed", forge("HS256", stored[0].ID, hmacOf(seed)), token.BadSignature},
		{"HS256 with another key's secret", forge("HS256", stored[0].ID, hmacOf(secret)), token.BadSignature},
		{"EdDSA with the secret's kid", forge("EdDSA", stored[1].ID, edDSA), token.BadSignature},
		{"EdDSA without a kid", forge("EdDSA", "", edDSA), token.UnknownKey},
		{"none", forge("none", stored[0].ID, func(string) []byte { return nil }), token.BadSignature},
		{"lower case", forge("eddsa", stored[0].ID, edDSA), token.Malformed},
		{"Ed25519, the other name", forge("Ed25519", stored[0].ID, edDSA), token.Malformed},
		{"HS384", forge("HS384", stored[1].ID, func(text string) []byte { return mac(crypto.SHA384, string(secret), text) }), token.BadSignature},
		{"a short signature", forge("EdDSA", stored[0].ID, func(text string) []byte { return edDSA(text)[:63] }), token.BadSignature},
		{"a long signature", forge("EdDSA", stored[0].ID, func(text string) []byte { return append(edDSA(text), 0) }), token.BadSignature},
		{"a signature of zeros", forge("EdDSA", stored[0].ID, func(string) []byte { return make([]byte, 64) }), token.BadSignature},
	} {
		if _, err := k.Verify(c.token); token.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	// Unused bits: the last of 86 characters carries two bits of the signature.
	good := forge("EdDSA", stored[0].ID, edDSA)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	if _, err := k.Verify(good[:len(good)-1] + string(alphabet[last+1])); token.KindOf(err) != token.Malformed {
		t.Errorf("unused bits: %v", err)
	}
}

func TestParseJWKSRefuses(t *testing.T) {
	t.Parallel()
	replace := func(old, value string) string { return `{"keys":[` + strings.Replace(rfc8037, old, value, 1) + `]}` }
	for name, content := range map[string]string{
		"nothing":            "",
		"HTML":               "<html>",
		"a list":             "[" + rfc8037 + "]",
		"null":               "null",
		"no keys":            "{}",
		"null keys":          `{"keys":null}`,
		"keys of text":       `{"keys":"x"}`,
		"something behind":   `{"keys":[` + rfc8037 + `]}x`,
		"a key twice":        `{"keys":[` + rfc8037 + "," + rfc8037 + `]}`,
		"a member twice":     replace(`"kty":"OKP"`, `"kty":"OKP","kty":"OKP"`),
		"a number":           replace(`"kty":"OKP"`, `"kty":7`),
		"no kid":             replace(`"kid":"k`, `"kit":"k`),
		"another kid":        replace(`"kid":"k`, `"kid":"l`),
		"no use":             replace(`"use":"sig",`, ``),
		"for encryption":     replace(`"sig"`, `"enc"`),
		"another alg":        replace(`"EdDSA"`, `"HS256"`),
		"no alg":             replace(`"alg":"EdDSA",`, ``),
		"a short x":          replace(`Ro"}`, `"}`),
		"a padded x":         replace(`Ro"}`, `Ro="}`),
		"unused bits set":    replace(`Ro"}`, `Rp"}`),
		"a private key":      replace(`"use"`, `"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","use"`),
		"too many keys":      `{"keys":[` + strings.Repeat(`{"kty":"RSA"},`, 100) + `{"kty":"RSA"}]}`,
		"more than is taken": `{"keys":[]}` + strings.Repeat(" ", token.MaxJWKS),
	} {
		if keys, err := token.ParseJWKS([]byte(content)); err == nil || keys != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// What RFC 7517 section 5 asks to pass over.
	for name, content := range map[string]string{
		"no keys yet":      `{"keys":[]}`,
		"other types":      `{"keys":[{"kty":"RSA","n":"x","e":"AQAB"},{"kty":"OKP","crv":"X25519","x":"y"},{"kty":"oct","k":"s"}]}`,
		"other members":    `{"keys":[],"issuer":"x"}`,
		"the largest file": `{"keys":[]}` + strings.Repeat(" ", token.MaxJWKS-11),
	} {
		if keys, err := token.ParseJWKS([]byte(content)); err != nil || len(keys) != 0 {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	if keys, err := token.ParseJWKS([]byte(replace(`"kty"`, `"key_ops":["verify"],"kty"`))); err != nil || len(keys) != 1 {
		t.Errorf("a key with another member: %v, %v", keys, err)
	}
}

func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[` + rfc8037 + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA"}]}`))
	f.Add([]byte(fmt.Sprintf(`{"keys":[%s],"x":%s}`, rfc8037, rfc8037)))
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := token.ParseJWKS(content)
		if err != nil && keys != nil {
			t.Errorf("refused with %d keys", len(keys))
		}
		k := token.NewKeyring(token.Config{}, time.Now)
		k.SetFetched(keys)
		if k.Empty() != (len(keys) == 0) {
			t.Errorf("%d keys make a keyring that is empty: %v", len(keys), k.Empty())
		}
	})
}
