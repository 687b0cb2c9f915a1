package main

import (
	"fmt"
	"io"
	"os"

	"gatehouse/backend/internal/field"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/program"
)

// hashConfig is the settings of `backend tenant hash`.
type hashConfig struct {
	AppEnv string        `env:"APP_ENV" envDefault:"production"`
	Key    config.Secret `env:"LOG_HASH_KEY"`
}

// Validate implements [config.Checked].
func (c *hashConfig) Validate(m *config.Mistakes) {
	m.Mode(c.AppEnv)
	if c.Key == "" {
		m.Add("LOG_HASH_KEY", "is missing; the key of the processes that write the logs is wanted")
		return
	}
	m.Strong("LOG_HASH_KEY", c.Key)
}

// tenantHash runs `backend tenant hash`: it prints the hash under which a tenant
// stands in the logs.
func tenantHash(args []string, out io.Writer) error {
	if len(args) != 1 {
		return program.ErrUsage
	}
	if !field.ValidTenantID(args[0]) {
		return fmt.Errorf("%q cannot be the id of a tenant", args[0])
	}
	var c hashConfig
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, (&logging.Config{HashKey: c.Key}).TenantHash(args[0]))
	return err
}
