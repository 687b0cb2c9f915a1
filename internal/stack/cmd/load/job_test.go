package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A whole run against real processes, with a stand-in for k6 that keeps what it was
// given and says that a threshold was crossed.
func TestRun(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for path, text := range map[string]string{
		"loadtest/scenarios/tiny.js": "",
		"bin/k6": `#!/bin/sh
case $1 in inspect) echo '{"totalDuration": "1s"}'; exit;; esac
for word; do case $word in USERS=*) users=${word#*=};; SUMMARY=*) summary=${word#*=};; BASE_URL=*) base=${word#*=};; esac; done
cp "$users" "$summary.users"
echo "# tiny at $base" >"$summary"
exit 99
`,
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	j := &job{
		scenario: scenario{
			name: "tiny", gateways: 2, backends: 1, cheapHashes: true,
			tenants: []tenant{{plan: "free", users: 1, contacts: 3}, {plan: "premium", users: 2, contacts: 3}},
		},
		settings: settings{scale: "2"}, root: root, stdout: &out,
	}
	if err := j.run(); !errors.Is(err, errCrossed) {
		t.Fatalf("got %v\n%s", err, out.String())
	}
	found, err := filepath.Glob(filepath.Join(root, "loadtest/results/tiny-*/summary.md"))
	if err != nil || len(found) != 1 {
		t.Fatalf("got %q, %v", found, err)
	}
	summary, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if bases := strings.Count(string(summary), "https://127.0.0.1:"); bases != 2 {
		t.Errorf("the script was given %d gateways:\n%s", bases, summary)
	}
	if runtime.GOOS == "linux" && !strings.Contains(string(summary), "| backend |") {
		t.Errorf("the summary does not have the processes:\n%s", summary)
	}
	text, err := os.ReadFile(found[0] + ".users")
	if err != nil {
		t.Fatal(err)
	}
	var accounts []account
	if err := json.Unmarshal(text, &accounts); err != nil {
		t.Fatal(err)
	}
	tenants, addresses := map[string]int{}, map[string]bool{}
	for _, a := range accounts {
		tenants[a.Tenant+" "+a.Plan]++
		addresses[a.Address] = true
	}
	if tenants["free-1 free"] != 2 || tenants["premium-2 premium"] != 4 || len(accounts) != 6 || len(addresses) != 6 {
		t.Errorf("got %s", text)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "gatehouse-load-*", "users.json")); len(left) > 0 {
		for _, path := range left { // another run may be going on
			if other, err := os.ReadFile(path); err == nil && bytes.Equal(other, text) {
				t.Errorf("the passwords are left in %s", path)
			}
		}
	}
}

func TestReplayWithoutAScript(t *testing.T) {
	t.Parallel()
	j := &job{scenario: *find("replay"), root: t.TempDir(), stdout: &bytes.Buffer{}}
	if err := j.run(); err == nil || !strings.Contains(err.Error(), "make load/replay") {
		t.Errorf("got %v", err)
	}
}
