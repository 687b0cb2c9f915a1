package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/backend/internal/keystore"
	"gatehouse/internal/config"
	"gatehouse/internal/program"
	"gatehouse/internal/token"
)

const secret = "pV7qLx2mN9tRc4Wz8sYb1KdF6hGj3QeUaT5o"

// runKeys runs a command and returns what it prints: the states in their order.
func runKeys(t *testing.T, args ...string) (states string, err error) {
	t.Helper()
	var out strings.Builder
	err = keys(args, &out)
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	for _, line := range lines[1:] {
		states += strings.Fields(line)[0] + ":" + strings.Fields(line)[2] + " "
	}
	if strings.Contains(out.String(), secret) {
		t.Errorf("keys %v shows a secret", args)
	}
	return strings.TrimSpace(states), err
}

// These tests set the environment, so they do not run in parallel.

func TestKeysCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	t.Setenv("JWT_KEYS_DIR", dir)
	t.Setenv("JWT_SECRET", secret)

	if _, err := runKeys(t, "list"); err == nil {
		t.Error("list without a file")
	}
	for _, step := range []struct {
		args string
		want string
	}{
		{"init -from-secret -alg HS256", "active:HS256 next:HS256"},
		{"list", "active:HS256 next:HS256"},
		{"rotate --wait 0 --alg EdDSA", "retiring:HS256 active:HS256 next:EdDSA"},
		{"rotate -wait 0s", "retiring:HS256 retiring:HS256 active:EdDSA next:EdDSA"},
		{"list", "retiring:HS256 retiring:HS256 active:EdDSA next:EdDSA"},
	} {
		if got, err := runKeys(t, strings.Fields(step.args)...); err != nil || got != step.want {
			t.Fatalf("keys %s: %s (%v), want %s", step.args, got, err, step.want)
		}
	}
	var soon *token.TooSoonError
	if _, err := runKeys(t, "rotate"); !errors.As(err, &soon) || soon.Wait != defaultWait {
		t.Errorf("rotate at once: %v", err)
	}
	if _, err := runKeys(t, "init"); !errors.Is(err, keystore.ErrExists) {
		t.Errorf("a second init: %v", err)
	}
	list, err := keystore.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	// The first one is JWT_SECRET, under the kid that it had.
	if list[0].Secret.Reveal() != secret {
		t.Error("the key file does not begin with JWT_SECRET")
	}
	if got, err := runKeys(t, "revoke", list[2].ID); err != nil || got != "retiring:HS256 retiring:HS256 revoked:EdDSA active:EdDSA next:EdDSA" {
		t.Errorf("revoke of the active key: %s (%v)", got, err)
	}
	if _, err := runKeys(t, "revoke", list[2].ID); err == nil {
		t.Error("a key is revoked twice")
	}
	const all = "revoked:HS256 revoked:HS256 revoked:EdDSA revoked:EdDSA revoked:EdDSA "
	if got, err := runKeys(t, "revoke", "-all"); err != nil || got != all+"active:EdDSA next:EdDSA" {
		t.Errorf("revoke -all: %s (%v)", got, err)
	}
	if got, err := runKeys(t, "revoke", "--all"); err != nil || got != all+"revoked:EdDSA revoked:EdDSA active:EdDSA next:EdDSA" {
		t.Errorf("revoke --all: %s (%v)", got, err)
	}
}

func TestKeysCommandLine(t *testing.T) {
	t.Setenv("JWT_KEYS_DIR", t.TempDir())
	for _, args := range []string{
		"", "fly", "init now", "init -wait 1m", "rotate -wait soon", "rotate it", "list all", "revoke", "revoke a b", "revoke -all a", "list -all", "list -alg HS256",
	} {
		if err := keys(strings.Fields(args), io.Discard); !errors.Is(err, program.ErrUsage) {
			t.Errorf("keys %s: %v, want the usage", args, err)
		}
	}
	if err := keys([]string{"revoke", "-a-kid"}, io.Discard); err == nil || errors.Is(err, program.ErrUsage) {
		t.Errorf("keys revoke of a kid that begins with a hyphen: %v, want that there is no such key", err)
	}
	for _, alg := range []string{"RS256", "eddsa", ""} {
		if err := keys([]string{"init", "-alg=" + alg}, io.Discard); err == nil {
			t.Errorf("init -alg %q made keys", alg)
		}
	}
	t.Setenv("JWT_SECRET", "short")
	var m *config.Mistakes
	if err := keys([]string{"init", "-from-secret"}, io.Discard); !errors.As(err, &m) || m.Names()[0] != "JWT_SECRET" {
		t.Errorf("init from a weak secret: %v", err)
	}
	t.Setenv("JWT_KEYS_DIR", "")
	if err := keys([]string{"list"}, io.Discard); !errors.As(err, &m) || m.Names()[0] != "JWT_KEYS_DIR" {
		t.Errorf("list without a folder: %v", err)
	}
}
