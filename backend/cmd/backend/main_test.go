package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"gatehouse/internal/config"
	"gatehouse/internal/program"
)

// These tests set the environment, so they do not run in parallel.

func TestExitCodes(t *testing.T) {
	t.Setenv("APP_ENV", "")
	for name, tc := range map[string]struct {
		args []string
		code int
	}{
		"unknown command":       {[]string{"dance"}, 2},
		"serve without config":  {[]string{"serve"}, 2},
		"no command, no config": {nil, 2},
		"migrate, no config":    {[]string{"migrate"}, 2},
		"migrate what":          {[]string{"migrate", "-dry-run", "acme"}, 2},
		"reseal, no config":     {[]string{"tenant", "reseal"}, 2},
		"reseal what":           {[]string{"tenant", "reseal", "acme"}, 2},
		"bootstrap, no config":  {[]string{"bootstrap"}, 2},
		"operator without mail": {[]string{"operator", "create"}, 2},
		"version":               {[]string{"version"}, 0},
	} {
		if got := program.Run("backend", usage, tc.args, io.Discard, run); got != tc.code {
			t.Errorf("%s: got exit code %d, want %d", name, got, tc.code)
		}
	}
}

func TestSeedIsForDevelopmentOnly(t *testing.T) {
	t.Setenv("MIGRATE_DATABASE_URL", "postgres://gh_owner:a-long-password@127.0.0.1:1/gatehouse")
	t.Setenv("SEED_DEMO_PASSWORD", "Demo-Horse-7")
	err := run(t.Context(), []string{"seed"})
	var m *config.Mistakes
	if !errors.As(err, &m) || m.Names()[0] != "APP_ENV" {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableDatabaseIsExitCodeOne(t *testing.T) {
	t.Setenv("MIGRATE_DATABASE_URL", "postgres://gh_owner:a-long-password@127.0.0.1:1/gatehouse?sslmode=disable")
	var stderr strings.Builder
	code := program.Run("backend", usage, []string{"migrate"}, &stderr, run)
	if code != 1 || strings.Contains(stderr.String(), "a-long-password") || stderr.Len() == 0 {
		t.Errorf("got exit code %d: %s", code, stderr.String())
	}
}

// Without the key there is nothing to seal with.
func TestResealNeedsTheKey(t *testing.T) {
	t.Setenv("MIGRATE_DATABASE_URL", "postgres://gh_owner:a-long-password@127.0.0.1:1/gatehouse")
	err := run(t.Context(), []string{"tenant", "reseal"})
	var m *config.Mistakes
	if !errors.As(err, &m) || m.Names()[0] != "TENANT_DB_KEY" {
		t.Errorf("got %v", err)
	}
}

func TestReadPassword(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"Secret-7\n": "Secret-7", "Secret-7": "Secret-7", " Secret-7 \r\nx": " Secret-7 ", "": ""} {
		if got, err := readPassword(strings.NewReader(in)); got != want || err != nil {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}
