package e2e

import (
	"crypto/rand"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guides are the pages whose commands are run, in the order in which a newcomer
// reads them: what one has defined the next may use.
var guides = []string{"README.md", "docs/tenancy.md", "docs/limits.md", "docs/keys.md", "docs/nfe.md", "docs/DEPLOYMENT_GUIDE.md"}

// notRun are blocks of commands, by their first line, that this test cannot run,
// and why. Every other block of every page is run.
var notRun = map[string]string{
	"make run":                  "is what this test's own servers stand in for; it has tests in internal/stack/cmd/run",
	"make test\n":               "is what runs this test",
	"docker compose up":         "needs a container engine",
	"secret() { docker compose": "needs a container engine",
	"backend keys rotate":       "waits until a key is known everywhere; the tests of keys do it",
	"backend keys list":         "revokes the key that is in use; the tests of keys do it",
	"backend keys revoke -all":  "revokes every key; the tests of keys do it",
	"prometheus --config.file":  "goes on until it is stopped; TestPrometheus starts it",
	"pg_dumpall":                "is what TestBackup runs",
	"psql ":                     "is what TestBackup runs",
	"backend migrate":           "is what TestBackup runs",
	"make bench":                "measures for minutes",
	"make load":                 "measures for minutes; it has tests in internal/stack/cmd/load",
	"bin/k6 run":                "is for another system",
	"go test ":                  "measures",
	"make test/plans":           "takes minutes and a gigabyte",
	"make test/e2e":             "is what runs this test",
	"make fuzz":                 "takes hours",
	"gateway check":             "checks the settings of a deployment; make verify/deploy runs it with those of deploy/",
	"BOOTSTRAP_DATABASE_URL=":   "is how this test's database was made",
	"make images":               "needs a container engine",
	"docker run":                "needs a container engine",
	"(umask 077":                "needs a cluster; make verify/deploy draws the same secrets and builds the same overlay",
	"kubectl ":                  "needs a cluster",
	"kubectl_rule()":            "needs a cluster; make verify/deploy builds the same objects",
	"install -m":                "needs root and systemd; make verify/deploy has systemd look at the units",
	"systemctl ":                "needs root and systemd",
	"for host in":               "needs machines with systemd",
	"for id in":                 "needs a container engine",
	"make release ":             "builds for minutes and publishes",
	"sha256sum ":                "looks at a release",
}

var shellBlock = regexp.MustCompile("(?m)^```sh\n((?:[^`\n].*\n|\n)*)```$")

// Whoever pastes the commands of the guides into a shell, top to bottom, gets
// what the guides say: no command fails, and no answer is an error.
func TestGuides(t *testing.T) {
	t.Parallel()
	s := shared
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	skipped := map[string]bool{}
	for _, page := range slices.Concat(guides, otherPages(t)) {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
			if first := excused(m[1]); first != "" {
				skipped[first] = true
				continue
			}
			if !slices.Contains(guides, page) {
				t.Errorf("%s has commands that are neither run nor excused:\n%s", page, m[1])
				continue
			}
			script.WriteString("echo '== " + page + "'\n" + m[1])
		}
	}
	for first := range maps.Keys(notRun) {
		if !skipped[first] {
			t.Errorf("no page has a block that begins with %q", first)
		}
	}

	// What a reader has: a checkout with the data of make run, and the programs.
	checkout := t.TempDir()
	if err := os.Symlink(filepath.Dir(filepath.Dir(s.CertFile)), filepath.Join(checkout, ".data")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(checkout, "connection-string"), []byte(newDatabase(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(checkout, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.NewReplacer(
		"https://localhost:8443", s.Gateways[0].HTTPS,
		"/etc/gatehouse", checkout,
		"acme", "acme-"+strings.ToLower(rand.Text()[:8]), // whose id is taken after the first time
	).Replace(script.String()))
	cmd.Dir = checkout
	cmd.Env = slices.Concat(mover(t, "").Env, []string{"PATH=" + filepath.Dir(s.Backends[0].Path()) + ":" + os.Getenv("PATH"), "HOME=" + checkout})
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), `"request_id"`) || strings.Count(string(out), "Ada Lovelace") < 2 {
		t.Errorf("the guides' commands: %v\n%s", err, out)
	}
}

func excused(block string) string {
	for first := range maps.Keys(notRun) {
		if strings.HasPrefix(block, first) {
			return first
		}
	}
	return ""
}

// otherPages returns the pages that are not among the guides.
func otherPages(t *testing.T) []string {
	t.Helper()
	var others []string
	for _, pattern := range []string{"*.md", "docs/*.md", "deploy/*/*.md", "loadtest/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if page := filepath.ToSlash(path[len("../../"):]); !slices.Contains(guides, page) {
				others = append(others, page)
			}
		}
	}
	return others
}
