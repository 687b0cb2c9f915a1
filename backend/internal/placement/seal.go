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
// it was sealed for.
type sealer struct {
	aead cipher.AEAD
	mac  []byte
}

// Purposes of a sealed connection string.
const (
	ownerURL   = "owner"
	servingURL = "serving"
)

// errSealed says that a sealed string was not made with this key, or for
// another tenant or purpose.
var errSealed = errors.New("a sealed connection string does not open; was TENANT_DB_KEY changed?")

func newSealer(secret config.Secret) (*sealer, error) {
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, "gatehouse tenant database "+purpose, 32)
	}
	key, err := derive("seal v1")
	if err != nil {
		return nil, fmt.Errorf("derive the key of connection strings: %w", err)
	}
	mac, err := derive("identity v1")
	if err != nil {
		return nil, fmt.Errorf("derive the key of connection strings: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, mac: mac}, nil
}

func (s *sealer) seal(tenant, purpose string, u config.Secret) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(u)+s.aead.Overhead())
	rand.Read(nonce) // never fails (crypto/rand)
	return s.aead.Seal(nonce, nonce, []byte(u.Reveal()), []byte(purpose+"\x00"+tenant))
}

func (s *sealer) open(tenant, purpose string, sealed []byte) (config.Secret, error) {
	if len(sealed) < s.aead.NonceSize() {
		return "", errSealed
	}
	plain, err := s.aead.Open(nil, sealed[:s.aead.NonceSize()], sealed[s.aead.NonceSize():], []byte(purpose+"\x00"+tenant))
	if err != nil {
		return "", errSealed
	}
	return config.Secret(plain), nil
}

// databaseKey is the same for connection strings of one host, port and
// database, whatever else they say. It tells nothing without the key.
func (s *sealer) databaseKey(u *url.URL) []byte {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	return s.sum("database", net.JoinHostPort(host, cmp.Or(u.Port(), "5432")), database(u))
}

// sum is a keyed hash of texts without NUL.
func (s *sealer) sum(texts ...string) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(strings.Join(texts, "\x00")))
	return h.Sum(nil)
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
