package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/config"
	"gatehouse/internal/token"
)

// beginKeys returns an active and a next key.
func beginKeys(t testing.TB, active, next token.Algorithm) []token.StoredKey {
	t.Helper()
	return beginKeysAt(t, now, active, next)
}

func beginKeysAt(t testing.TB, at time.Time, active, next token.Algorithm) []token.StoredKey {
	t.Helper()
	first, err := token.GenerateKey(active, at)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.BeginKeys(first, next, at)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func format(t testing.TB, keys []token.StoredKey) string {
	t.Helper()
	content, err := token.FormatKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// keysDir is a folder with a key file.
type keysDir string

func newKeysDir(t testing.TB, keys []token.StoredKey) keysDir {
	t.Helper()
	d := keysDir(t.TempDir())
	d.write(t, format(t, keys))
	return d
}

func (d keysDir) write(t testing.TB, content string) {
	t.Helper()
	path := filepath.Join(string(d), token.KeyFile)
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// open returns a keyring over the folder's file.
func (d keysDir) open(t testing.TB) *token.Keyring {
	t.Helper()
	return d.openAt(t, func() time.Time { return now })
}

func (d keysDir) openAt(t testing.TB, clock func() time.Time) *token.Keyring {
	t.Helper()
	k, err := token.Open(token.Config{KeysDir: string(d), KeysPoll: time.Hour, Issuer: "gatehouse", Audience: "gatehouse"},
		slog.New(slog.DiscardHandler), clock)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func kidOf(t testing.TB, signed string) string {
	t.Helper()
	header, _, _ := parts(t, signed)
	kid, _ := header["kid"].(string)
	return kid
}

func TestKeyFileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	keys := append(beginKeys(t, token.HS256, token.EdDSA), token.ImportSecret(secretA, now))
	keys[2].State = token.StateRetiring
	keys, err := token.Revoke(keys, keys[2].ID, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	got, err := token.ParseKeys([]byte(format(t, keys)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys, got); diff != "" {
		t.Errorf("the keys differ (-written +read):\n%s", diff)
	}
}

// TestKeyFileForm keeps the form: files outlive a release.
func TestKeyFileForm(t *testing.T) {
	t.Parallel()
	const content = `{
  "keys": [
    {
      "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
      "alg": "EdDSA",
      "state": "active",
      "created": "2026-11-22T10:00:00Z",
      "since": "2026-11-22T10:01:00Z",
      "secret": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
    },
    {
      "kid": "0f36b1a9e1d6c57f",
      "alg": "HS256",
      "state": "revoked",
      "created": "2026-11-22T10:00:00Z",
      "since": "2026-11-22T10:00:00Z"
    }
  ]
}
`
	keys, err := token.ParseKeys([]byte(content)) // the key of RFC 8037 appendix A
	if err != nil {
		t.Fatal(err)
	}
	if got := format(t, keys); got != content {
		t.Errorf("written again:\n%s", got)
	}
	if keys[0].State != token.StateActive || !keys[0].Since.Equal(now.Add(time.Minute)) || keys[1].Secret != "" {
		t.Errorf("got %+v", keys)
	}
}

func TestKeysDoNotShowTheirSecret(t *testing.T) {
	t.Parallel()
	key := token.ImportSecret(secretA, now)
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%+v", key), fmt.Sprintf("%#v", key), fmt.Sprintf("%q", []token.StoredKey{key})} {
		if strings.Contains(text, secretA.Reveal()) {
			t.Errorf("the secret shows: %s", text)
		}
	}
}

func TestParseKeysRefuses(t *testing.T) {
	t.Parallel()
	good := format(t, beginKeys(t, token.EdDSA, token.HS256))
	if _, err := token.ParseKeys([]byte(good)); err != nil {
		t.Fatal(err)
	}
	// change replaces members of the file's keys; nil removes one.
	change := func(key int, name string, value any) string {
		var file map[string][]map[string]any
		if err := json.Unmarshal([]byte(good), &file); err != nil {
			t.Fatal(err)
		}
		file["keys"][key] = with(file["keys"][key], name, value)
		b, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	encode := base64.RawURLEncoding.EncodeToString
	other := token.ImportSecret(secretB, now).ID
	const canary = "a secret in the wrong place"
	for name, content := range map[string]string{
		"nothing":                "",
		"no JSON":                canary,
		"half a file":            good[:len(good)/2],
		"something behind":       good + "{}",
		"a list":                 "[]",
		"null":                   "null",
		"no keys":                `{"keys":[]}`,
		"no member keys":         `{}`,
		"another member":         strings.Replace(good, `"keys"`, `"version":1,"keys"`, 1),
		"keys twice":             strings.Replace(good, `"keys"`, `"keys":[],"keys"`, 1),
		"upper case":             strings.Replace(good, `"keys"`, `"Keys"`, 1),
		"an unknown member":      change(0, "use", "sig"),
		"no alg":                 change(0, "alg", nil),
		"alg none":               change(0, "alg", "none"),
		"alg RS256":              change(0, "alg", "RS256"),
		"alg in lower case":      change(0, "alg", "eddsa"),
		"another alg":            change(0, "alg", "HS256"),
		"no state":               change(0, "state", nil),
		"an unknown state":       change(0, "state", "sleeping"),
		"no active key":          change(0, "state", "retiring"),
		"two active keys":        change(1, "state", "active"),
		"two next keys":          change(0, "state", "next"),
		"no kid":                 change(0, "kid", nil),
		"another kid":            change(1, "kid", other),
		"a kid of a number":      change(0, "kid", 7),
		"no time":                change(0, "created", nil),
		"no later time":          change(0, "since", nil),
		"a time of text":         change(0, "since", canary),
		"no secret":              change(0, "secret", nil),
		"a secret of a list":     change(0, "secret", []string{canary}),
		"a secret in no base64":  change(0, "secret", canary),
		"a padded secret":        change(1, "secret", base64.URLEncoding.EncodeToString([]byte(secretA.Reveal()+"x"))),
		"a short seed":           change(0, "secret", encode(make([]byte, 31))),
		"a long seed":            change(0, "secret", encode(make([]byte, 64))),
		"a short secret":         change(1, "secret", encode(make([]byte, 31))),
		"a huge secret":          change(1, "secret", encode(make([]byte, 1025))),
		"a revoked key's secret": change(1, "state", "revoked"),
		"one key twice":          strings.Replace(good, `"keys": [`, `"keys": [`+strings.TrimSpace(good[strings.Index(good, "{\n      "):strings.Index(good, ",\n    {")])+",", 1),
		"too many":               `{"keys":[` + strings.Repeat(`{},`, 100) + `{}]}`,
	} {
		keys, err := token.ParseKeys([]byte(content))
		if err == nil || keys != nil {
			t.Errorf("%s: accepted: %s", name, content)
			continue
		}
		if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
}

func TestConfigWithAKeyFile(t *testing.T) {
	t.Parallel()
	good, bad := newKeysDir(t, beginKeys(t, token.EdDSA, token.EdDSA)), keysDir(t.TempDir())
	bad.write(t, "{}")
	for _, c := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"good", []string{"JWT_KEYS_DIR=" + string(good)}, nil},
		{"polls often", []string{"JWT_KEYS_DIR=" + string(good), "JWT_KEYS_POLL=100ms"}, nil},
		{"and secrets", []string{"JWT_KEYS_DIR=" + string(good), "JWT_SECRET=" + secretA.Reveal(), "JWT_SECRET_NEXT=" + secretB.Reveal(),
			"JWT_SECRET_PREVIOUS=" + secretC.Reveal()}, []string{"JWT_SECRET", "JWT_SECRET_NEXT", "JWT_SECRET_PREVIOUS"}},
		{"a bad file", []string{"JWT_KEYS_DIR=" + string(bad)}, []string{"JWT_KEYS_DIR"}},
		{"no file", []string{"JWT_KEYS_DIR=" + t.TempDir()}, []string{"JWT_KEYS_DIR"}},
		{"no folder", []string{"JWT_KEYS_DIR=" + string(good) + "/gone"}, []string{"JWT_KEYS_DIR"}},
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

func TestConfigBesideOtherKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config token.Config
		want   []string
	}{
		{"no key of its own", token.Config{}, nil},
		{"a secret too", token.Config{Secret: secretA}, nil},
		{"a weak secret", token.Config{Secret: "short"}, []string{"JWT_SECRET"}},
		{"a previous secret alone", token.Config{Previous: secretA}, []string{"JWT_SECRET"}},
	} {
		c.config.Issuer, c.config.Audience, c.config.KeysPoll = "g", "g", time.Second
		var m config.Mistakes
		c.config.ValidateBeside(&m, true)
		if got := m.Names(); strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q is wrong, want %q", c.name, got, c.want)
		}
	}
}

func TestOpenWantsAGoodFile(t *testing.T) {
	t.Parallel()
	d := keysDir(t.TempDir())
	c := token.Config{KeysDir: string(d), KeysPoll: time.Hour}
	log := slog.New(slog.DiscardHandler)
	if _, err := token.Open(c, log, time.Now); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	d.write(t, "{}")
	if _, err := token.Open(c, log, time.Now); err == nil {
		t.Error("a bad file is opened")
	}
}

// TestKeyringFollowsItsFile walks a key through its states and looks at who
// signs and who is believed.
func TestKeyringFollowsItsFile(t *testing.T) {
	t.Parallel()
	keys := beginKeys(t, token.HS256, token.EdDSA)
	d := newKeysDir(t, keys)
	k := d.open(t)
	apply := func(changed []token.StoredKey, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		keys = changed
		d.write(t, format(t, keys))
		if err := k.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(name, signed string, want token.Kind) {
		t.Helper()
		if _, err := k.Verify(signed); token.KindOf(err) != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	first := sign(t, k, ana)
	if kidOf(t, first) != keys[0].ID {
		t.Errorf("signed by %s, want the active key", kidOf(t, first))
	}
	// A key that is next verifies: another process may have been quicker.
	ahead, err := token.Rotate(keys, "", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	second := sign(t, newKeysDir(t, ahead).open(t), ana)
	if kidOf(t, second) != keys[1].ID {
		t.Errorf("after a rotation %s signs, want the next key", kidOf(t, second))
	}
	wants("a token of the next key", second, "")

	apply(ahead, nil)
	if got := kidOf(t, sign(t, k, ana)); got != keys[1].ID {
		t.Errorf("%s signs, want the key that was promoted", got)
	}
	wants("a token of the retiring key", first, "")
	wants("a token of the active key", second, "")

	apply(token.Revoke(keys, keys[0].ID, now))
	wants("a token of a revoked key", first, token.UnknownKey)
	wants("a token of the active key", second, "")

	apply(token.Revoke(keys, keys[1].ID, now))
	wants("a token of a revoked key", second, token.UnknownKey)
	if got := kidOf(t, sign(t, k, ana)); got != keys[2].ID {
		t.Errorf("%s signs, want the next key at once", got)
	}

	// A file with a mistake changes nothing.
	last := sign(t, k, ana)
	d.write(t, format(t, keys)[:100])
	if err := k.Reload(); err == nil {
		t.Error("half a file is accepted")
	}
	wants("a token of the last good file", last, "")
	sign(t, k, ana)
}

// TestKeysKeepTheirIdentity: what was verified stays verified across rotations,
// and stops being so with its key.
func TestKeysKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	keys := beginKeys(t, token.EdDSA, token.EdDSA)
	d := newKeysDir(t, keys)
	k := d.open(t)
	first := sign(t, k, ana)
	_, key, err := k.VerifyKey(first)
	if err != nil || key.ID() != keys[0].ID || !key.Trusted(now) {
		t.Fatalf("verified with %v, %v", key, err)
	}
	for range 3 {
		if keys, err = token.Rotate(keys, "", 0, now); err != nil {
			t.Fatal(err)
		}
		d.write(t, format(t, keys))
		if err := k.Reload(); err != nil {
			t.Fatal(err)
		}
		if _, again, _ := k.VerifyKey(first); again != key || !key.Trusted(now) {
			t.Fatal("a rotation made another key of one that stays")
		}
	}
	revoked, err := token.Revoke(keys, key.ID(), now)
	if err != nil {
		t.Fatal(err)
	}
	d.write(t, format(t, revoked))
	if err := k.Reload(); err != nil || key.Trusted(now) {
		t.Errorf("a revoked key is trusted (%v)", err)
	}
	// Back from a backup: what was forgotten stays forgotten.
	d.write(t, format(t, keys))
	if err := k.Reload(); err != nil || key.Trusted(now) {
		t.Errorf("a key that went is trusted again (%v)", err)
	}
	if _, again, err := k.VerifyKey(first); err != nil || again == key || !again.Trusted(now) {
		t.Errorf("the key that came back is %v (%v), want another one", again, err)
	}
}

// TestRetiringKeysEnd: a key that retires is trusted for 70 minutes and a half,
// whether or not another rotation comes.
func TestRetiringKeysEnd(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []token.Algorithm{token.EdDSA, token.HS256} {
		keys := beginKeys(t, algorithm, algorithm)
		d, clock := newKeysDir(t, keys), now
		k := d.openAt(t, func() time.Time { return clock })
		_, key, err := k.VerifyKey(sign(t, k, ana))
		if err != nil {
			t.Fatal(err)
		}
		active := keys[0]
		if keys, err = token.Rotate(keys, "", 0, now); err != nil {
			t.Fatal(err)
		}
		d.write(t, format(t, keys))
		if err := k.Reload(); err != nil {
			t.Fatal(err)
		}
		// Whoever has the retired key signs with it.
		thief := newKeysDir(t, []token.StoredKey{active}).openAt(t, func() time.Time { return clock })
		end := now.Add(token.MaxLifetime + token.Leeway + 10*time.Minute)
		for _, c := range []struct {
			at   time.Time
			want token.Kind
		}{{now, ""}, {end.Add(-1), ""}, {end, token.UnknownKey}, {end.Add(24 * time.Hour), token.UnknownKey}} {
			clock = c.at
			good := c.want == ""
			if _, err := k.Verify(sign(t, thief, ana)); token.KindOf(err) != c.want {
				t.Errorf("%s, %v after the rotation: %v, want %q", algorithm, c.at.Sub(now), err, c.want)
			}
			if key.Trusted(clock) != good {
				t.Errorf("%s, %v after the rotation: tokens that were verified before are good: %v", algorithm, c.at.Sub(now), !good)
			}
			if strings.Contains(string(k.JWKS()), active.ID) != (good && algorithm == token.EdDSA) {
				t.Errorf("%s, %v after the rotation: the document is %s", algorithm, c.at.Sub(now), k.JWKS())
			}
			if _, err := k.Verify(sign(t, k, ana)); err != nil {
				t.Errorf("%s, %v after the rotation: the active key's token: %v", algorithm, c.at.Sub(now), err)
			}
		}
		// So it is for a process that starts later.
		if _, err := d.openAt(t, func() time.Time { return clock }).Verify(sign(t, thief, ana)); token.KindOf(err) != token.UnknownKey {
			t.Errorf("%s, after a restart: %v", algorithm, err)
		}
	}
}

// TestImportedSecretKeepsItsTokens: from JWT_SECRET to a key file without a
// rejected token, in both directions.
func TestImportedSecretKeepsItsTokens(t *testing.T) {
	t.Parallel()
	keys, err := token.BeginKeys(token.ImportSecret(secretA, now), token.EdDSA, now)
	if err != nil {
		t.Fatal(err)
	}
	file, plain := newKeysDir(t, keys).open(t), newKeyring(t, token.Config{Secret: secretA})
	if _, err := file.Verify(sign(t, plain, ana)); err != nil {
		t.Errorf("the file refuses the secret's token: %v", err)
	}
	if _, err := plain.Verify(sign(t, file, ana)); err != nil {
		t.Errorf("the secret refuses the file's token: %v", err)
	}
}

func TestKeyringWithoutKeys(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, token.Config{})
	if !k.Empty() {
		t.Error("a keyring without keys is not empty")
	}
	if signed, err := k.Sign(ana, time.Minute); err == nil || signed != "" {
		t.Error("signed without a key")
	}
	signed := sign(t, newKeyring(t, token.Config{Secret: secretA}), ana)
	if _, err := k.Verify(signed); !errors.Is(err, token.ErrNoKeys) || token.KindOf(err) != "" {
		t.Errorf("Verify without a key: %v, want no verdict", err)
	}
	for text, want := range map[string]token.Kind{"": token.Missing, "rubbish": token.Malformed, "..": token.Malformed} {
		if _, err := k.Verify(text); token.KindOf(err) != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := k.Reload(); err != nil {
		t.Errorf("Reload without a file: %v", err)
	}
	k.Run(t.Context()) // returns at once
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(format(f, beginKeys(f, token.EdDSA, token.HS256))))
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kid":"x","alg":"HS256","state":"revoked","created":"2026-11-22T10:00:00Z","since":"2026-11-22T10:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		keys, err := token.ParseKeys(content)
		if err != nil {
			if keys != nil {
				t.Errorf("refused with %d keys", len(keys))
			}
			return
		}
		again, err := token.ParseKeys([]byte(format(t, keys)))
		if err != nil || len(again) != len(keys) {
			t.Errorf("what was accepted is refused when it is written again: %v", err)
		}
	})
}
