// Package requiretest finds the programs that tests start and that a machine may be
// without.
package requiretest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Variable is what asks for every program: without one a test fails, instead of being
// skipped or doing with less.
const Variable = "GATEHOUSE_REQUIRE_ALL"

// Program returns the path of the first of the programs that is installed. Without any
// the test is skipped, or fails with [Variable] set, and says what to install: packages
// of Debian.
func Program(t testing.TB, packages string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const hint = "there is no %s: apt-get install -y --no-install-recommends %s"
	if os.Getenv(Variable) != "" {
		t.Fatalf(hint, strings.Join(names, ", "), packages)
	}
	t.Skipf(hint, strings.Join(names, ", "), packages)
	return ""
}
