package token

import (
	"log/slog"
	"path/filepath"
	"time"

	"gatehouse/internal/config"
	"gatehouse/internal/watch"
)

// KeyFile is the name of the file in JWT_KEYS_DIR that holds the keys.
const KeyFile = "keys.json"

// Config is what both processes must agree on.
type Config struct {
	Secret   config.Secret `env:"JWT_SECRET" doc:"Required without JWT_KEYS_DIR. Key that signs and verifies access tokens (HS256)"`
	Next     config.Secret `env:"JWT_SECRET_NEXT" doc:"Key that only verifies: the one to be promoted. Rotate in this order: set it everywhere, make it JWT_SECRET, keep the old one as JWT_SECRET_PREVIOUS for as long as access tokens live, the backends' MAX_AGE"`
	Previous config.Secret `env:"JWT_SECRET_PREVIOUS" doc:"Key that only verifies: the one that was replaced"`
	KeysDir  string        `env:"JWT_KEYS_DIR" doc:"Folder with a keys.json to use instead of JWT_SECRET: keys that backend keys rotates, without a restart" kind:"a path" example:"/etc/gatehouse/keys"`
	KeysPoll time.Duration `env:"JWT_KEYS_POLL" envDefault:"10s" doc:"How often keys that can change are looked at"`
	Issuer   string        `env:"JWT_ISSUER" envDefault:"gatehouse" doc:"Claim iss of access tokens"`
	Audience string        `env:"JWT_AUDIENCE" envDefault:"gatehouse" doc:"Claim aud of access tokens"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) { c.ValidateBeside(m, false) }

// ValidateBeside is Validate for a process that may also get keys from
// elsewhere. If it does, it needs none here.
func (c *Config) ValidateBeside(m *config.Mistakes, elsewhere bool) {
	switch {
	case c.KeysDir != "":
		for _, s := range []struct {
			name  string
			value config.Secret
		}{{"JWT_SECRET", c.Secret}, {"JWT_SECRET_NEXT", c.Next}, {"JWT_SECRET_PREVIOUS", c.Previous}} {
			if s.value != "" {
				m.Add(s.name, "is given and so is JWT_KEYS_DIR; give one of them")
			}
		}
		if err := watch.Check(c.keyFile(), func(b []byte) error { _, err := ParseKeys(b); return err }); err != nil {
			m.Add("JWT_KEYS_DIR", "is %s: %v (make the file with: backend keys init)", c.KeysDir, err)
		}
	case !elsewhere && c.Secret == "" && c.Next == "" && c.Previous == "":
		m.Add("JWT_SECRET", "is missing, and nothing is in its place: JWT_KEYS_DIR, or JWT_JWKS of a gateway (a secret is made with: openssl rand -base64 48)")
	case c.Secret != "" || c.Next != "" || c.Previous != "":
		m.Strong("JWT_SECRET", c.Secret)
		if c.Next != "" {
			m.Strong("JWT_SECRET_NEXT", c.Next)
		}
		if c.Previous != "" {
			m.Strong("JWT_SECRET_PREVIOUS", c.Previous)
		}
	}
	if c.KeysPoll < 100*time.Millisecond || c.KeysPoll > 5*time.Minute {
		m.Add("JWT_KEYS_POLL", "is %v; 100ms to 5m is allowed", c.KeysPoll)
	}
	m.Required("JWT_ISSUER", c.Issuer, "a name is wanted")
	m.Required("JWT_AUDIENCE", c.Audience, "a name is wanted")
}

func (c *Config) keyFile() string { return filepath.Join(c.KeysDir, KeyFile) }

// Open returns the keyring that the settings ask for. [Keyring.Run] follows the
// file that it comes from, if there is one; now is as for [NewKeyring].
func Open(c Config, log *slog.Logger, now func() time.Time) (*Keyring, error) {
	k := NewKeyring(c, now)
	if c.KeysDir == "" {
		return k, nil
	}
	var err error
	k.file, err = watch.Open(watch.Options{
		Name: KeyFile, Path: c.keyFile(), Every: c.KeysPoll, Log: log,
		Apply: func(content []byte) error {
			keys, err := ParseKeys(content)
			if err == nil {
				k.setOwn(keys)
			}
			return err
		},
	})
	return k, err
}
