package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gatehouse/internal/config"
	"gatehouse/internal/program"
)

// It sets the environment, so it does not run in parallel.
func TestTenantHash(t *testing.T) {
	t.Setenv("APP_ENV", "production")
	t.Setenv("LOG_HASH_KEY", secret)
	var out strings.Builder
	// As openssl dgst -sha256 -hmac has it, in its first 16 digits.
	if err := tenantHash([]string{"tenant1"}, &out); err != nil || out.String() != "b1f7340988e900d5\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	for _, args := range [][]string{nil, {"tenant1", "tenant2"}} {
		if err := tenantHash(args, io.Discard); !errors.Is(err, program.ErrUsage) {
			t.Errorf("%v: got %v", args, err)
		}
	}
	if err := tenantHash([]string{"No such tenant"}, io.Discard); err == nil {
		t.Error("what no tenant is called has a hash")
	}
	for _, key := range []string{"", "short"} {
		t.Setenv("LOG_HASH_KEY", key)
		var m *config.Mistakes
		if err := tenantHash([]string{"tenant1"}, io.Discard); !errors.As(err, &m) || m.Names()[0] != "LOG_HASH_KEY" {
			t.Errorf("with the key %q: got %v", key, err)
		}
	}
}
