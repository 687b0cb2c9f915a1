// Package programtest finds the programs that tests start and that a machine may be
// without.
package programtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Require is the variable that, when it is set, has tests fail for want of a program
// that they would be skipped or do with less without.
const Require = "GATEHOUSE_REQUIRE_ALL"

// Find returns the path of the first of the programs that is installed. Without any
// the test is skipped, or fails with [Require] set, and says what to install: packages
// of Debian.
func Find(t testing.TB, packages string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const hint = "there is no %s: apt-get install -y --no-install-recommends %s"
	if os.Getenv(Require) != "" {
		t.Fatalf(hint, strings.Join(names, ", "), packages)
	}
	t.Skipf(hint, strings.Join(names, ", "), packages)
	return ""
}
