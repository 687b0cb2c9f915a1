package placement

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gatehouse/internal/config"
)

const (
	testKey  = "Vq3xTnB8yKZ5sJ0wRfLm7dHcPe2gUaXoIt9vCb4Q"
	otherKey = "kR7pWzD1hGm4YcNs9eTbUq6vJx2LfA8oEi5ZrCj0"
)

func newTestSealer(t testing.TB, key config.Secret) *sealer {
	t.Helper()
	s, err := newSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedOpensForItsTenantPurposeAndKeyOnly(t *testing.T) {
	t.Parallel()
	const u = config.Secret("postgres://owner:Secret-Horse-7@db.example.com:5433/acme")
	s := newTestSealer(t, testKey)
	sealed := s.seal("acme", servingURL, u)
	if again := s.seal("acme", servingURL, u); bytes.Equal(again, sealed) {
		t.Error("the same twice: a nonce was used again")
	}
	for i := range len(u) - 3 {
		if bytes.Contains(sealed, []byte(u[i:i+4])) {
			t.Errorf("%q is in the sealed string", u[i:i+4].Reveal())
		}
	}
	if got, err := s.open("acme", servingURL, sealed); got != u || err != nil {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)/2] ^= 1
	for name, open := range map[string]func() (config.Secret, error){
		"another tenant":  func() (config.Secret, error) { return s.open("globex", servingURL, sealed) },
		"another case":    func() (config.Secret, error) { return s.open("ACME", servingURL, sealed) },
		"another purpose": func() (config.Secret, error) { return s.open("acme", ownerURL, sealed) },
		"another key":     func() (config.Secret, error) { return newTestSealer(t, otherKey).open("acme", servingURL, sealed) },
		"changed":         func() (config.Secret, error) { return s.open("acme", servingURL, flipped) },
		"cut":             func() (config.Secret, error) { return s.open("acme", servingURL, sealed[:len(sealed)-1]) },
		"a stump":         func() (config.Secret, error) { return s.open("acme", servingURL, sealed[:5]) },
		"nothing":         func() (config.Secret, error) { return s.open("acme", servingURL, nil) },
		"as an owner's":   func() (config.Secret, error) { u, _, err := s.openOwner("acme", sealed); return u, err },
		"without an identity": func() (config.Secret, error) {
			u, _, err := s.openOwner("acme", s.seal("acme", ownerURL, "x"))
			return u, err
		},
	} {
		if got, err := open(); got != "" || !errors.Is(err, errSealed) {
			t.Errorf("%s: got %q, %v", name, got.Reveal(), err)
		}
	}
	id := uuid.New()
	if got, gotID, err := s.openOwner("acme", s.sealOwner("acme", u, id)); got != u || gotID != id || err != nil {
		t.Errorf("got %q, %v, %v", got.Reveal(), gotID, err)
	}
}

func TestDatabaseKey(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t, testKey)
	key := func(text string) string {
		u, err := ParseURL(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return string(s.databaseKeys(u)[0])
	}
	base := key("postgres://owner:x@db.example.com/acme")
	for _, same := range []string{
		"postgresql://owner:x@db.example.com/acme", "postgres://other:y@db.example.com:5432/acme",
		"postgres://owner:x@DB.Example.COM./acme?sslmode=require", "postgres://owner@db.example.com/%61cme",
	} {
		if key(same) != base {
			t.Errorf("%s is another database", same)
		}
	}
	for _, other := range []string{
		"postgres://owner:x@db2.example.com/acme", "postgres://owner:x@db.example.com:5433/acme", "postgres://owner:x@db.example.com/ACME",
	} {
		if key(other) == base {
			t.Errorf("%s is the same database", other)
		}
	}
	if key("postgres://o@[::1]/a") != key("postgres://o@[0:0:0:0:0:0:0:1]:5432/a") || key("postgres://o@127.0.0.1/a") != key("postgres://o@[::ffff:127.0.0.1]/a") {
		t.Error("two forms of an address are two databases")
	}
	u, _ := ParseURL("postgres://owner:x@db.example.com/acme")
	if bytes.Equal(newTestSealer(t, otherKey).databaseKeys(u)[0], []byte(base)) {
		t.Error("the key does not matter")
	}
	if s.logins("acme", u)[0] == s.logins("globex", u)[0] || len(s.logins("acme", u)[0]) > 63 {
		t.Errorf("got %s", s.logins("acme", u))
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"postgres://owner:secret@db.example.com:5432/acme", "postgresql://owner@db/acme", "postgres://o:p@127.0.0.1:1/a?sslmode=disable",
		"postgres://o:p@[::1]:5432/a?sslmode=verify-full", "postgres://o:p%23%2F%40@db/a%20b", "postgres://o:%C3%B6@db/datenbänke", "postgres://o:p@db/a?",
		"POSTGRES://o:p@db/a",
	} {
		if u, err := ParseURL(good); err != nil || u == nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                                            "scheme",
		"acme":                                        "scheme",
		"mysql://o:p@db/a":                            "scheme",
		"http://o:p@db/a":                             "scheme",
		"host=db user=o dbname=a":                     "white space",
		"postgres:o:p@db/a":                           "URL",
		"postgres://":                                 "host",
		"postgres:///a":                               "host",
		"postgres://o:p@/a":                           "host",
		"postgres://o:p@:5432/a":                      "host",
		"postgres://o:p@db1,db2/a":                    "host",
		"postgres://o:p@db1:5432,db2:5432/a":          "host",
		"postgres://o:p@%2Fvar%2Frun/a":               "URL",
		"postgres:///a?host=/var/run":                 "host",
		"postgres://o:p@/var/run:5432/a":              "host",
		"postgres://o:p@[fe80::1%25eth0]/a":           "host",
		"postgres://o:p@db:/a":                        "port",
		"postgres://o:p@db:0/a":                       "port",
		"postgres://o:p@db:65536/a":                   "port",
		"postgres://o:p@db:port/a":                    "URL",
		"postgres://o:p@db":                           "database",
		"postgres://o:p@db/":                          "database",
		"postgres://o:p@db/a/b":                       "database",
		"postgres://o:p@db/a%2Fb":                     "database",
		"postgres://db/a":                             "user",
		"postgres://:p@db/a":                          "user",
		"postgres://o:p@db/a#b":                       "fragment",
		"postgres://o:p@db/a#":                        "fragment",
		"postgres://o:p#q@db/a":                       "fragment",
		"postgres://o:p@db/a?sslmode=maybe":           "sslmode",
		"postgres://o:p@db/a?sslmode=":                "sslmode",
		"postgres://o:p@db/a?SSLMODE=disable":         "sslmode",
		"postgres://o:p@db/a?sslrootcert=/etc/passwd": "sslmode",
		"postgres://o:p@db/a?sslmode=verify-full&sslkey=/run/secrets/key": "sslmode",
		"postgres://o:p@db/a?sslmode=disable&sslmode=require":             "sslmode",
		"postgres://o:p@db/a?host=other":                                  "sslmode",
		"postgres://o:p@db/a?options=-crole%3Dx":                          "sslmode",
		"postgres://o:p@db/a?service=x":                                   "sslmode",
		"postgres://o:p@db/a?passfile=/x":                                 "sslmode",
		"postgres://o:p@db/a?a;b":                                         "parameters",
		"postgres://o:p@db/a?%zz":                                         "parameters",
		"postgres://o:p@db/%zz":                                           "URL",
		"postgres://o:p@db/a b":                                           "white space",
		"postgres://o:p@db/a\n":                                           "white space",
		"postgres://o:p@db/a\u00a0":                                       "white space",
		"postgres://o:p@db/a\x00":                                         "control",
		"postgres://o:p@db/a\u0085":                                       "control",
		"postgres://o%00user%00x:p@db/a":                                  "control",
		"postgres://o:p%00@db/a":                                          "control",
		"postgres://o:p@db/a%00b":                                         "control",
		"postgres://o:p@db/a%0Ab":                                         "control",
		"postgres://o:\xff@db/a":                                          "white space",
		"postgres://o:p@db/" + strings.Repeat("a", 2048):                  "2048",
	} {
		u, err := ParseURL(bad)
		if u != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want something about %s", bad, err, want)
		}
		if err != nil && len(bad) > 12 && (strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), "o:p")) {
			t.Errorf("%q is quoted in %q", bad, err)
		}
	}
}

// What is taken means the same to the driver as to us.
func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"postgres://owner:secret@db.example.com:5432/acme?sslmode=disable", "postgresql://o@[::1]/a", "postgres://o:p%00@db/a",
		"postgres://o:p@db1,db2/a", "postgres://o:p@db/a?sslrootcert=/x", "postgres://o:%23@db/%61#", "postgres:///a?host=/tmp",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err != nil {
			if len(text) > 40 && strings.Contains(err.Error(), text) {
				t.Errorf("%q is quoted", text)
			}
			return
		}
		pc, err := pgx.ParseConfig(u.String())
		if err != nil {
			t.Fatalf("%q: the driver does not take it", text)
		}
		password, _ := u.User.Password()
		if pc.Host != u.Hostname() || pc.Database != database(u) || pc.User != u.User.Username() || password != "" && pc.Password != password {
			t.Errorf("%q: the driver reads another host, database or user", text)
		}
		if strings.HasPrefix(pc.Host, "/") || strings.ContainsFunc(pc.User+pc.Password+pc.Database+pc.Host, unicode.IsControl) {
			t.Errorf("%q: got host %q", text, pc.Host)
		}
		for _, fallback := range pc.Fallbacks { // without TLS, by sslmode
			if fallback.Host != pc.Host {
				t.Errorf("%q: falls back to another host", text)
			}
		}
		again, err := url.Parse(u.String())
		if err != nil || *again.User != *u.User || again.Host != u.Host || again.Path != u.Path {
			t.Errorf("%q: changes when it is written down", text)
		}
	})
}
