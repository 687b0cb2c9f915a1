// Package logging sets up structured logs for both processes: JSON for
// machines, plain text on a terminal, and a writer that never blocks a request.
package logging

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"gatehouse/internal/config"
)

// Config is the settings of the log.
type Config struct {
	Level   slog.Level    `env:"LOG_LEVEL" envDefault:"info" doc:"Least severe level that is written" kind:"debug, info, warn or error"`
	Format  string        `env:"LOG_FORMAT" envDefault:"auto" doc:"Form of a line; auto is text on a terminal and json elsewhere" kind:"auto, json or text"`
	File    string        `env:"LOG_FILE" doc:"File that lines are appended to instead of standard error" kind:"a path"`
	HashKey config.Secret `env:"LOG_HASH_KEY" doc:"Key of the hash under which tenants appear in logs, the same in every process; without it they do not appear"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	switch c.Format {
	case "auto", "json", "text":
	default:
		m.Add("LOG_FORMAT", "is %q; auto, json or text is wanted", c.Format)
	}
	if c.HashKey != "" {
		m.Strong("LOG_HASH_KEY", c.HashKey)
	}
}

// Open returns the process's logger, which marks each line with the service's
// name, and a function that flushes and closes it.
func Open(c Config, service string) (*slog.Logger, func() error, error) {
	out := os.Stderr
	if c.File != "" {
		f, err := os.OpenFile(c.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("open LOG_FILE: %w", err)
		}
		out = f
	}
	w := NewWriter(out, writerBytes)
	text := c.Format == "text" || c.Format == "auto" && isTerminal(out)
	log := slog.New(newHandler(w, c.Level, text)).With("service", service)
	return log, func() error {
		err := w.Close()
		if out != os.Stderr {
			err = errors.Join(err, out.Close())
		}
		return err
	}, nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// TenantHash returns the keyed hash under which a tenant appears in logs (16
// hexadecimal digits), or "" when no key is set.
func (c *Config) TenantHash(tenant string) string {
	if c.HashKey == "" || tenant == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(c.HashKey.Reveal()))
	mac.Write([]byte(tenant))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
