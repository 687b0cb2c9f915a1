package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install makes a directory of programs that say they are PostgreSQL.
func install(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %s'\n", name, version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPostgresSearch(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	install(t, at("lib", "9.6", "bin"), "9.6.24")
	install(t, at("lib", "15", "bin"), "15.4 (Debian 15.4-1)")
	install(t, at("lib", "17", "bin"), "17.2")
	install(t, at("pgsql-16", "bin"), "16.1")
	install(t, at("old"), "14.9")
	install(t, at("fetched"), "18.4")
	install(t, at("broken"), "of no known version")
	if err := os.Mkdir(at("path"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("pgsql-16", "bin", "initdb"), at("path", "initdb")); err != nil {
		t.Fatal(err)
	}
	globs := []string{at("nowhere", "*"), at("lib", "*", "bin"), at("pgsql-*", "bin")}
	fetch := func(context.Context) (string, error) { return at("fetched"), nil }
	refuse := func(context.Context) (string, error) { return "", errors.New("the network is down") }
	for name, c := range map[string]struct {
		search  postgresSearch
		wanted  int
		version string // or
		err     string
	}{
		"PG_BIN first":              {search: postgresSearch{bin: at("lib", "15", "bin"), path: at("path"), globs: globs}, version: "15.4"},
		"PG_BIN is empty":           {search: postgresSearch{bin: base, globs: globs, fetch: fetch}, err: "PG_BIN=" + base + ": there is no initdb"},
		"PG_BIN is too old":         {search: postgresSearch{bin: at("old"), globs: globs, fetch: fetch}, err: "it holds PostgreSQL 14.9"},
		"PG_BIN is broken":          {search: postgresSearch{bin: at("broken"), globs: globs, fetch: fetch}, err: "(PostgreSQL) of no"},
		"PATH, through a link":      {search: postgresSearch{path: at("path"), globs: globs}, version: "16.1"},
		"PATH is too old":           {search: postgresSearch{path: at("old"), globs: globs}, version: "17.2"},
		"newest of a place":         {search: postgresSearch{globs: globs}, version: "17.2"},
		"the cluster's version":     {search: postgresSearch{path: at("path"), globs: globs}, wanted: 15, version: "15.4"},
		"no such version":           {search: postgresSearch{globs: globs, fetch: refuse}, wanted: 19, version: "17.2"},
		"the fetched version":       {search: postgresSearch{globs: globs, fetch: fetch}, wanted: fetchedMajor, version: "18.4"},
		"nothing":                   {search: postgresSearch{path: base, fetch: fetch}, version: "18.4"},
		"nothing, no network":       {search: postgresSearch{fetch: refuse}, err: "there is no PostgreSQL on this machine, and the network is down: run `"},
		"only old ones, no network": {search: postgresSearch{path: at("old"), fetch: refuse}, err: "this machine has PostgreSQL 14.9, 15 is the oldest"},
	} {
		got, err := c.search.find(t.Context(), c.wanted)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want one line with %q", name, err, c.err)
			}
			continue
		}
		if err != nil || got.version != c.version {
			t.Errorf("%s: %q, %v, want %s", name, got.version, err, c.version)
		}
	}
}

func TestInstallCommand(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, c := range []struct{ manager, want string }{
		{"zypper", "zypper install -y postgresql-server"},
		{"apk", "apk add postgresql"},
		{"brew", "brew install postgresql@17"},
	} {
		if err := os.WriteFile(filepath.Join(dir, c.manager), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if got := installCommand("postgresql"); strings.TrimPrefix(got, "sudo ") != c.want {
			t.Errorf("with %s: %q, want %q", c.manager, got, c.want)
		}
	}
}
