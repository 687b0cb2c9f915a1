package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unit is the [Service] section of a unit: every value of each key.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.Lines(read(t, "deploy/systemd/"+name)) {
		line = strings.TrimSpace(line)
		key, value, pair := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case pair && section == "[Service]":
			u[key] = append(u[key], value)
		}
	}
	return u
}

// environment is that of the unit and of its file, which has the last word.
func (u unit) environment(t *testing.T) map[string]string {
	t.Helper()
	pairs := slices.Clone(u["Environment"])
	for _, file := range u["EnvironmentFile"] {
		for line := range strings.Lines(read(t, "deploy/systemd/"+path.Base(file))) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				pairs = append(pairs, line)
			}
		}
	}
	env := map[string]string{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

var units = map[string][]string{
	"gatehouse-gateway.service": {"gateway", "serve"},
	"gatehouse-backend.service": {"backend", "serve"},
	"gatehouse-migrate.service": {"backend", "migrate"},
}

// The programs take the settings of the units, find the secrets there, and have the
// time that they need to stop.
func TestUnits(t *testing.T) {
	drawn := t.TempDir()
	drawSecrets(t, drawn)
	found, err := filepath.Glob(filepath.Join(root, "deploy/systemd/*.service"))
	if err != nil || len(found) != len(units) {
		t.Errorf("units %v, %v", found, err)
	}
	for name, command := range units {
		u := readUnit(t, name)
		if got := u["ExecStart"]; len(got) != 1 || got[0] != "/usr/local/bin/"+strings.Join(command, " ") {
			t.Errorf("%s starts %v", name, got)
		}
		_, settings := built(t, command[0], command[1:])
		env := u.environment(t)
		files := map[string]string{}
		give := func(to, from string) {
			text, err := os.ReadFile(filepath.Join(drawn, from))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			files[to] = string(text)
		}
		for _, credential := range u["LoadCredential"] {
			id, file, _ := strings.Cut(credential, ":")
			if path.Base(file) != id {
				t.Errorf("%s: the credential %s is %s", name, id, file)
			}
			folder := map[string]string{"gateway": "gateway", "backend": "backend", "migrate": "setup"}[strings.TrimSuffix(strings.TrimPrefix(name, "gatehouse-"), ".service")]
			give("/run/secrets/credentials/"+id, filepath.Join(folder, id))
		}
		give("/run/secrets/tls/tls.crt", "gateway/tls.crt")
		give("/run/secrets/tls/tls.key", "gateway/tls.key")
		give("/run/secrets/keys/keys.json", "keys/keys.json")
		checkSettings(t, name, env, settings)
		for setting, value := range env {
			env[setting] = strings.NewReplacer("%d/", "/run/secrets/credentials/", "/etc/gatehouse/", "/run/secrets/").Replace(value)
		}
		accepted(t, name, command[0], command[1:], env, files)
		if command[1] != "serve" {
			continue
		}
		checkGrace(t, name, duration(t, u["TimeoutStopSec"][0]), 0, env, settings)
		if fmt.Sprint(u["KillSignal"], u["RestartPreventExitStatus"], u["Restart"]) != "[SIGTERM] [2] [on-failure]" {
			t.Errorf("%s is ended by %v and started again after %v, not after %v", name, u["KillSignal"], u["Restart"], u["RestartPreventExitStatus"])
		}
	}
}

// systemd itself has nothing to say against the units, and finds them confined.
func TestUnitsAnalyzed(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, command := range units {
		p, _ := built(t, command[0], nil)
		text := strings.ReplaceAll(read(t, "deploy/systemd/"+name), "/usr/local/bin/"+command[0], p.path)
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		// In tenths: 10 is confined as far as a service on the network can be.
		if out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=20", file).CombinedOutput(); err != nil {
			t.Errorf("%s is not confined: %v\n%s", name, err, out)
		}
	}
}
