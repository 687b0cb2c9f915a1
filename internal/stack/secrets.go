package stack

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secrets are what a stack's processes share and its tests need to know. All
// are random; none holds a character that a URL or a shell would change.
type Secrets struct {
	JWT       string // JWT_SECRET
	CursorKey string // CURSOR_ENCRYPTION_KEY
	TenantKey string // TENANT_DB_KEY
	LogHash   string // LOG_HASH_KEY

	// Passwords of the three database roles.
	OwnerPassword string
	AppPassword   string
	MaintPassword string

	DemoPassword     string // of user demo in tenant tenant1
	OperatorPassword string // of user operator in tenant platform
}

// fields lists the secrets with the name of the file of each.
func (s *Secrets) fields() []secretField {
	return []secretField{
		{"jwt_secret", &s.JWT, randomKey},
		{"cursor_encryption_key", &s.CursorKey, randomKey},
		{"tenant_db_key", &s.TenantKey, randomKey},
		{"log_hash_key", &s.LogHash, randomKey},
		{"owner_password", &s.OwnerPassword, randomKey},
		{"app_password", &s.AppPassword, randomKey},
		{"maint_password", &s.MaintPassword, randomKey},
		{"demo_password", &s.DemoPassword, randomPassword},
		{"operator_password", &s.OperatorPassword, randomPassword},
	}
}

type secretField struct {
	file  string
	value *string
	draw  func() string
}

// randomKey draws 256 bits, in base64url.
func randomKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// randomPassword draws a password that meets the rules for users (an upper-case
// letter, a lower-case letter, a digit) and that a person can type: 60 bits.
func randomPassword() string {
	return "Gate-" + strings.ToLower(rand.Text()[:12]) + "-1"
}

// newSecrets draws secrets for one life.
func newSecrets() Secrets {
	var s Secrets
	for _, f := range s.fields() {
		*f.value = f.draw()
	}
	return s
}

// deriveRoles takes the roles' passwords from key instead: stacks that share a
// server must agree on them, since roles belong to the server.
func (s *Secrets) deriveRoles(key string) {
	for role, password := range map[string]*string{
		ownerRole: &s.OwnerPassword, appRole: &s.AppPassword, maintRole: &s.MaintPassword,
	} {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(role))
		*password = base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
}

// openSecrets reads the secrets in dir, one file each (mode 0600), and draws
// those that have none yet.
func openSecrets(dir string) (Secrets, error) {
	var s Secrets
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, err
	}
	for _, f := range s.fields() {
		path := filepath.Join(dir, f.file)
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			*f.value = f.draw()
			if err := writeFile(path, []byte(*f.value+"\n"), 0o600); err != nil {
				return s, err
			}
			continue
		}
		*f.value = strings.TrimSpace(string(content))
		if err == nil && len(*f.value) < 16 {
			err = errors.New("it is too short")
		}
		if err != nil {
			return s, fmt.Errorf("the secret %s cannot be used (%w); `make clean` removes it along with the data", path, bare(err))
		}
	}
	return s, nil
}

// writeFile writes a file that is complete as soon as it is there.
func writeFile(path string, content []byte, mode os.FileMode) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, content, mode); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return os.Rename(fresh, path)
}

// bare returns what went wrong without the path, which the message has already.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
