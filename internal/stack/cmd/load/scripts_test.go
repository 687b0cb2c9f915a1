package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gatehouse/api"
)

const root = "../../../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each scenario has a script, a row here and a section in the docs, which show a
// recorded run of each.
func TestScenariosAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "loadtest/scenarios/*.js"))
	if err != nil {
		t.Fatal(err)
	}
	scripts := []string{"replay"} // its script is made of a log
	for _, file := range files {
		scripts = append(scripts, strings.TrimSuffix(filepath.Base(file), ".js"))
	}
	slices.Sort(scripts)
	here := names()
	slices.Sort(here)
	if diff := cmp.Diff(scripts, here); diff != "" {
		t.Errorf("-scripts +scenarios:\n%s", diff)
	}
	docs := read(t, "docs/load-testing.md")
	rows := func(heading string) []string {
		_, section, found := strings.Cut(docs, "\n## "+heading+"\n")
		if !found {
			t.Fatalf("docs/load-testing.md has no section %q", heading)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		var list []string
		for _, row := range regexp.MustCompile("(?m)^\\| (?:\\[)?`([a-z-]+)`").FindAllStringSubmatch(section, -1) {
			list = append(list, row[1])
		}
		slices.Sort(list)
		return list
	}
	for _, heading := range []string{"Scenarios", "A recorded run of each"} {
		if diff := cmp.Diff(here, rows(heading)); diff != "" {
			t.Errorf("%s: -scenarios +docs:\n%s", heading, diff)
		}
	}
}

// What the scripts ask for is in the contract, under its name and in its class.
func TestOperationsAreTheContracts(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	type operation struct{ method, path, class string }
	contract := map[string]operation{}
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			class, _ := o.Extensions["x-rate-class"].(string)
			contract[o.OperationID] = operation{method, path, class}
		}
	}
	rows := regexp.MustCompile(`(?m)^  (\w+): \{ method: '(\w+)', path: '([^']+)', class: '(\w+)' \},$`).FindAllStringSubmatch(read(t, "loadtest/lib/operations.js"), -1)
	if len(rows) < 10 {
		t.Fatalf("found %d operations only", len(rows))
	}
	for _, row := range rows {
		if got, want := (operation{row[2], row[3], row[4]}), contract[row[1]]; got != want {
			t.Errorf("%s is %v, in the contract %v", row[1], got, want)
		}
	}
}

// Every script is one that k6 takes, with the settings that it may be given.
func TestK6TakesEveryScript(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(filepath.Join(root, "bin/k6"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("there is no bin/k6; make test/load builds it")
	}
	users := filepath.Join(t.TempDir(), "users.json")
	var accounts []account
	for _, plan := range []string{"free", "standard", "premium"} {
		accounts = append(accounts, account{Tenant: plan, Plan: plan, Username: "ana"})
	}
	if err := writeJSON(users, accounts); err != nil {
		t.Fatal(err)
	}
	inspect := func(name, duration string) (string, error) {
		k := &k6{path: path, script: filepath.Join(root, "loadtest/scenarios", name+".js")}
		k.set("USERS", users)
		k.set("DURATION", duration)
		length, err := k.length(t.Context())
		return length.String(), err
	}
	for _, s := range scenarios {
		if s.name == "replay" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			long, err := inspect(s.name, "4m")
			if err != nil || !strings.HasPrefix(long, "4m") {
				t.Errorf("with DURATION=4m it takes %s: %v", long, err)
			}
			if _, err := inspect(s.name, ""); err != nil {
				t.Error(err)
			}
			if long, err := inspect(s.name, "5s"); err == nil || !strings.Contains(err.Error(), "DURATION must be at least 30s") {
				t.Errorf("with DURATION=5s it takes %s: %v", long, err)
			}
		})
	}
	t.Run("replay", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir() // beside a link to the library
		lib, err := filepath.Abs(filepath.Join(root, "loadtest/lib"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "results"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(lib, filepath.Join(dir, "lib")); err != nil {
			t.Fatal(err)
		}
		script := filepath.Join(dir, "results", "replay.js")
		cmd := exec.CommandContext(t.Context(), "go", "run", "./loadtest/replay", "-o", script)
		cmd.Dir = root
		cmd.Stdin = strings.NewReader(`{"time":"2026-11-23T10:00:00Z","msg":"request","service":"gateway","method":"GET","route":"/api/v1/auth/me","status":200,"duration_ms":1,"client":"::1"}`)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if long, err := (&k6{path: path, script: script}).length(t.Context()); err != nil || long.Minutes() < 1 {
			t.Errorf("it takes %v: %v", long, err)
		}
	})
}
