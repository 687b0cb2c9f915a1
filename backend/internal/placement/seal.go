package placement

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/internal/config"
)

// sealer encrypts the connection strings of dedicated databases with
// AES-256-GCM. A sealed string opens only for the tenant and the purpose that
// it was sealed for. The first key seals, all open.
type sealer struct {
	keys []sealKey
}

type sealKey struct {
	aead cipher.AEAD
	mac  []byte
}

// Purposes of a sealed connection string.
const (
	ownerURL   = "owner"
	servingURL = "serving"
)

// errSealed says that a sealed string was not made with these keys, or for
// another tenant or purpose.
var errSealed = errors.New("a sealed connection string does not open; was TENANT_DB_KEY changed?")

// Keys are the keys in TENANT_DB_KEY, comma-separated: the first seals, all
// open.
func Keys(setting config.Secret) []config.Secret {
	var keys []config.Secret
	for key := range strings.SplitSeq(setting.Reveal(), ",") {
		keys = append(keys, config.Secret(strings.TrimSpace(key)))
	}
	return keys
}

// CheckKeys reports keys in TENANT_DB_KEY that are weak, given twice or too
// many.
func CheckKeys(m *config.Mistakes, setting config.Secret) {
	keys := Keys(setting)
	for i, key := range keys {
		m.Strong("TENANT_DB_KEY", key)
		if key != "" && slices.Contains(keys[:i], key) {
			m.Add("TENANT_DB_KEY", "has a key twice")
		}
	}
	if len(keys) > maxKeys {
		m.Add("TENANT_DB_KEY", "has %d keys; at most %d are allowed", len(keys), maxKeys)
	}
}

// maxKeys bounds the keys that are tried. Two are enough to rotate.
const maxKeys = 8

func newSealer(setting config.Secret) (*sealer, error) {
	s := &sealer{}
	for _, secret := range Keys(setting) {
		key, err := newSealKey(secret)
		if err != nil {
			return nil, fmt.Errorf("derive the key of connection strings: %w", err)
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

func newSealKey(secret config.Secret) (sealKey, error) {
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, "gatehouse tenant database "+purpose, 32)
	}
	key, err := derive("seal v1")
	if err != nil {
		return sealKey{}, err
	}
	mac, err := derive("identity v1")
	if err != nil {
		return sealKey{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealKey{aead, mac}, err
}

func (s *sealer) seal(tenant, purpose string, u config.Secret) []byte {
	aead := s.keys[0].aead
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(u)+aead.Overhead())
	rand.Read(nonce) // never fails (crypto/rand)
	return aead.Seal(nonce, nonce, []byte(u.Reveal()), []byte(purpose+"\x00"+tenant))
}

func (s *sealer) open(tenant, purpose string, sealed []byte) (config.Secret, error) {
	for _, key := range s.keys {
		if plain, err := key.open(tenant, purpose, sealed); err == nil {
			return plain, nil
		}
	}
	return "", errSealed
}

func (k sealKey) open(tenant, purpose string, sealed []byte) (config.Secret, error) {
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return "", errSealed
	}
	plain, err := k.aead.Open(nil, sealed[:n], sealed[n:], []byte(purpose+"\x00"+tenant))
	return config.Secret(plain), err
}

// fresh reports whether a string is sealed with the first key.
func (s *sealer) fresh(tenant, purpose string, sealed []byte) bool {
	_, err := s.keys[0].open(tenant, purpose, sealed)
	return err == nil
}

// databaseKeys returns, for each key, what is the same for connection strings
// of one host, port and database, whatever else they say. It tells nothing
// without the key.
func (s *sealer) databaseKeys(u *url.URL) [][]byte {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	return s.sums("database", net.JoinHostPort(host, cmp.Or(u.Port(), "5432")), database(u))
}

// sums are keyed hashes of texts without NUL, one with each key.
func (s *sealer) sums(texts ...string) [][]byte {
	sums := make([][]byte, 0, len(s.keys))
	for _, key := range s.keys {
		h := hmac.New(sha256.New, key.mac)
		h.Write([]byte(strings.Join(texts, "\x00")))
		sums = append(sums, h.Sum(nil))
	}
	return sums
}

// database is the name of the database in a connection string.
func database(u *url.URL) string { return strings.TrimPrefix(u.Path, "/") }

// maxURL bounds a connection string, in bytes.
const maxURL = 2048

// sslModes are libpq's.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// ParseURL reads the connection string that an operator gives for a dedicated
// database: scheme postgres or postgresql, a user, one host, a database, and
// sslmode as the only parameter, since others name files of this machine. The
// error is a sentence for the operator and never quotes the string.
func ParseURL(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, fmt.Errorf("must have at most %d bytes", maxURL)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, isSpaceOrControl) {
		return nil, errors.New("must not have white space or control characters")
	}
	if strings.Contains(s, "#") {
		return nil, errors.New("must not have a fragment; write # as %23")
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" {
		return nil, errors.New("must be a URL such as postgres://user:password@host:5432/database")
	}
	port, portErr := strconv.ParseUint(cmp.Or(u.Port(), "5432"), 10, 16)
	password, _ := u.User.Password()
	switch {
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return nil, errors.New("must have the scheme postgres or postgresql")
	case u.Hostname() == "" || strings.ContainsAny(u.Host, ",/%"):
		return nil, errors.New("must name one host")
	case portErr != nil || port == 0 || strings.HasSuffix(u.Host, ":"):
		return nil, errors.New("must have a port from 1 to 65535, or none")
	case database(u) == "" || strings.Contains(database(u), "/"):
		return nil, errors.New("must name a database")
	case u.User.Username() == "":
		return nil, errors.New("must name a user")
	// Percent-encoded ones. A NUL would end a field of PostgreSQL's protocol.
	case strings.ContainsFunc(u.User.Username()+password+database(u), unicode.IsControl):
		return nil, errors.New("must not have control characters")
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("has malformed parameters")
	}
	for name, values := range params {
		if name != "sslmode" || len(values) != 1 || !slices.Contains(sslModes, values[0]) {
			return nil, fmt.Errorf("may have the parameter sslmode only, one of %s", strings.Join(sslModes, ", "))
		}
	}
	return u, nil
}

func isSpaceOrControl(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
