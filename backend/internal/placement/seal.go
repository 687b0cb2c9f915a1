package placement

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"gatehouse/internal/config"
)

// Sealer encrypts the connection strings of dedicated databases with
// AES-256-GCM. A sealed string opens only for the tenant and the purpose that
// it was sealed for.
type Sealer struct {
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

func newSealer(secret config.Secret) (*Sealer, error) {
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
	return &Sealer{aead: aead, mac: mac}, nil
}

func (s *Sealer) seal(tenant, purpose string, u config.Secret) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(u)+s.aead.Overhead())
	rand.Read(nonce) // never fails (crypto/rand)
	return s.aead.Seal(nonce, nonce, []byte(u.Reveal()), []byte(purpose+"\x00"+tenant))
}

func (s *Sealer) open(tenant, purpose string, sealed []byte) (config.Secret, error) {
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
func (s *Sealer) databaseKey(u *url.URL) []byte {
	h := hmac.New(sha256.New, s.mac)
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	fmt.Fprintf(h, "%s/%s", net.JoinHostPort(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port), strings.TrimPrefix(u.Path, "/"))
	return h.Sum(nil)
}

// sslModes are libpq's.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// ParseURL reads the connection string that an operator gives for a dedicated
// database: scheme postgres or postgresql, one host, a database, and sslmode as
// the only parameter, since others name files of this machine. The error is a
// sentence for the operator and never quotes the string.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "":
		return nil, errors.New("must be a URL such as postgres://user:password@host:5432/database")
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return nil, errors.New("must have the scheme postgres or postgresql")
	case u.Hostname() == "" || strings.ContainsAny(u.Host, ",/"):
		return nil, errors.New("must name one host")
	case len(u.Path) < 2 || strings.Contains(u.Path[1:], "/"):
		return nil, errors.New("must name a database")
	case u.User.Username() == "":
		return nil, errors.New("must name a user")
	case u.Fragment != "":
		return nil, errors.New("must not have a fragment")
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
